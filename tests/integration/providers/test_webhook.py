"""A document is posted to where it is meant to go, and nowhere else."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tollhouse.domain.errors import InvalidField, UpstreamError, UpstreamRefused
from tollhouse.providers.webhook import Webhook


class Receiver(ThreadingHTTPServer):
    daemon_threads = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.got.append((self.path, self.headers["content-type"], body))
        self.send_response(self.server.status)
        self.send_header("location", self.server.url + "/elsewhere")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield receiver
    receiver.shutdown()
    receiver.server_close()
    thread.join()


def post(url: str, document: Any, *, allow_private: bool = True) -> None:
    Webhook(url, allow_private=allow_private).post(json.dumps(document).encode(), {})


def test_the_document_arrives_at_its_path_and_query(receiver: Receiver) -> None:
    post(f"{receiver.url}/hooks/T1?thread=2", {"text": "80 % spent: é"})
    post(receiver.url, {"text": "x"})
    assert receiver.got == [
        ("/hooks/T1?thread=2", "application/json", {"text": "80 % spent: é"}),
        ("/", "application/json", {"text": "x"}),
    ]


@pytest.mark.parametrize("status", [302, 307, 400, 404, 500])
def test_any_other_answer_is_a_failure_and_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(UpstreamError, match=str(status)) as raised:
        post(f"{receiver.url}/secret-path", {})
    assert "secret-path" not in raised.value.message
    assert len(receiver.got) == 1


def test_an_address_inside_the_network_is_refused_unless_it_is_meant(receiver: Receiver) -> None:
    with pytest.raises(UpstreamRefused, match="private address"):
        post(receiver.url, {}, allow_private=False)
    with pytest.raises(UpstreamRefused):
        post("http://localhost:1/", {}, allow_private=False)
    assert receiver.got == []


def test_nobody_there_is_an_error(receiver: Receiver) -> None:
    with pytest.raises(UpstreamError):
        post("http://127.0.0.1:9/", {})


@pytest.mark.parametrize(
    "url", ["ftp://host/", "http://", "https://user:pw@host/", "https://host/\r\nx: y", "https://host/?a=\r\nx: y"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidField):
        post(url, {})
