"""`chat`, as a client of a gateway on the loopback."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from tests.gateway import Gateway
from tollhouse.cli.commands import chat


class Server(ThreadingMixIn, WSGIServer):
    """Closes what it serves also when the client is quicker; Werkzeug's server then does not."""


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def serving(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def served(tollhouse) -> Iterator[tuple[Gateway, str]]:
    """A gateway that runs, and its URL."""
    gateway = Gateway(tollhouse.settings)
    with serving(make_server("127.0.0.1", 0, gateway.app, Server, QuietHandler)) as url:
        yield gateway, url
    gateway.close()


@pytest.fixture
def gateway(served: tuple[Gateway, str]) -> tuple[str, str]:
    """(URL, key) of a gateway that runs."""
    return served[1], served[0].key


def test_an_answer_is_streamed_and_booked(tollhouse, served: tuple[Gateway, str]) -> None:
    gateway, url = served
    result = tollhouse("chat", "hello big world", "--base-url", url, TOLLHOUSE_API_KEY=gateway.key)
    assert "hello big world" in result.stdout
    assert result.stdout.endswith("\n")
    (row,) = gateway.rows()
    assert (row.model, row.streamed, row.outcome) == ("echo", True, "ok")


def test_json_has_the_whole_answer_and_its_usage(tollhouse, gateway: tuple[str, str]) -> None:
    url, key = gateway
    answer = tollhouse.json("chat", "hello", "--model", "echo", "--base-url", f"{url}/v1", TOLLHOUSE_API_KEY=key)
    assert answer["model"] == "echo"
    assert "hello" in answer["content"]
    assert answer["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_a_prompt_may_be_piped_in(tollhouse, gateway: tuple[str, str], arguments: tuple[str, ...]) -> None:
    url, key = gateway
    result = tollhouse("chat", *arguments, "--base-url", url, given="through a pipe\n", TOLLHOUSE_API_KEY=key)
    assert "through a pipe" in result.stdout


def test_an_answer_cannot_steer_the_terminal(tollhouse, gateway: tuple[str, str]) -> None:
    url, key = gateway
    result = tollhouse("chat", "red \x1b[31m and \x9b2J", "--base-url", url, TOLLHOUSE_API_KEY=key)
    assert "red" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\x9b" not in result.stdout


def test_the_key_may_be_in_another_variable(tollhouse, gateway: tuple[str, str]) -> None:
    url, key = gateway
    result = tollhouse("chat", "hello", "--base-url", url, "--api-key-env", "MINE", MINE=key)
    assert "hello" in result.stdout


def test_a_conversation_remembers_what_was_said(
    tollhouse, served: tuple[Gateway, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, url = served
    monkeypatch.setattr(chat, "_prompt", lambda given: None)
    result = tollhouse("chat", "--base-url", url, given="first\n\nsecond\n", TOLLHOUSE_API_KEY=gateway.key)
    assert "first" in result.stdout
    assert "second" in result.stdout
    first, second = gateway.rows(2)
    assert second.input_tokens > first.input_tokens


def test_what_the_gateway_refuses_is_said_in_its_words(tollhouse, gateway: tuple[str, str]) -> None:
    url, key = gateway
    sentence = tollhouse.error("chat", "hello", "--model", "ecko", "--base-url", url, TOLLHOUSE_API_KEY=key)
    assert "Did you mean 'echo'?" in sentence
    assert "not one of this gateway's" in tollhouse.error("chat", "hi", "--base-url", url, TOLLHOUSE_API_KEY="sk-no")


def test_without_a_key_one_learns_how_to_make_one(tollhouse) -> None:
    sentence = tollhouse.error("chat", "hello")
    assert "TOLLHOUSE_API_KEY is not set" in sentence
    assert "tollhouse keys create" in sentence


def test_without_a_gateway_one_learns_how_to_start_it(tollhouse) -> None:
    sentence = tollhouse.error("chat", "hello", "--base-url", "http://127.0.0.1:9", TOLLHOUSE_API_KEY="sk-x")
    assert "tollhouse up" in sentence


@pytest.mark.parametrize(
    ("given", "sentence"), [("", "it is empty"), (" \n", "it is empty"), (b"\xff\xfe", "not UTF-8")]
)
def test_a_prompt_that_cannot_be_sent_is_wrong_usage(tollhouse, given: str | bytes, sentence: str) -> None:
    assert sentence in tollhouse.error("chat", status=2, given=given, TOLLHOUSE_API_KEY="sk-x")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "http://[", "http://x:y"])
def test_a_base_url_that_is_none_is_wrong_usage(tollhouse, url: str) -> None:
    assert "it must be a URL" in tollhouse.error("chat", "hi", "--base-url", url, status=2, TOLLHOUSE_API_KEY="sk-x")


def stub(answer: Callable[[BaseHTTPRequestHandler], None]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer(self)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def replying(body: bytes, content_type: str, status: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", content_type)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize("arguments", [(), ("--model", "m"), ("--model", "m", "--json")])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"<html>hello</html>", "text/html"), (b"{}", "application/json"), (b"[]", "application/json")],
)
def test_what_is_no_gateway_is_told_so(tollhouse, arguments: tuple[str, ...], body: bytes, content_type: str) -> None:
    with serving(stub(replying(body, content_type))) as url:
        sentence = tollhouse.error("chat", "hi", *arguments, "--base-url", url, TOLLHOUSE_API_KEY="sk-x")
    assert "--base-url" in sentence or "cut off" in sentence


def event(**choice: Any) -> bytes:
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, **choice}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def test_an_answer_that_was_cut_is_no_success(tollhouse) -> None:
    with serving(stub(replying(event(delta={"content": "half"}), "text/event-stream"))) as url:
        result = tollhouse("chat", "hi", "--model", "m", "--base-url", url, status=1, TOLLHOUSE_API_KEY="sk-x")
    assert result.stdout.startswith("half")
    assert "cut off" in result.stderr


def test_an_error_in_the_middle_of_an_answer_is_said(tollhouse) -> None:
    error = b'data: {"error": {"message": "The provider went away.", "type": "x"}}\n\n'
    with serving(stub(replying(event(delta={"content": "half"}) + error, "text/event-stream"))) as url:
        result = tollhouse("chat", "hi", "--model", "m", "--base-url", url, status=1, TOLLHOUSE_API_KEY="sk-x")
    assert "The provider went away." in result.stderr


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["a", "echo", "smollm2-135m"], "smollm2-135m"), (["a", "echo"], "echo"), (["text-embedding-3", "b", "c"], "b")],
)
def test_the_local_model_goes_before_echo_and_echo_before_others(names: list[str], expected: str) -> None:
    from tollhouse.cli.gateway_client import GatewayClient

    listing = {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 1, "owned_by": "x"} for name in names],
    }
    with serving(stub(replying(json.dumps(listing).encode(), "application/json"))) as url:
        client = GatewayClient(f"{url}/v1", "sk-x")
        assert client.default_model() == expected
        client.close()
