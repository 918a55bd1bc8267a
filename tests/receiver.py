"""A webhook's receiver: a real server that keeps what comes and answers as it is told."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from openai import OpenAI


@dataclass(frozen=True)
class Arrived:
    """What came with one attempt."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def event(self) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(self.body)
        return document

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def unwrapped(self, secret: str) -> Any:
        """By the official SDK. Raises InvalidWebhookSignatureError."""
        with OpenAI(api_key="none", webhook_secret=secret) as client:
            return client.webhooks.unwrap(self.body, self.headers)


Answer = Callable[[Arrived], tuple[int, Mapping[str, str]]]


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[Arrived] = []
        self.port = int(self.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.answer: Answer = lambda _: (200, {})
        self.ended = threading.Event()

    def types(self) -> list[str]:
        return [one.event["type"] for one in self.got]

    def hang(self, _: Arrived) -> tuple[int, Mapping[str, str]]:
        """An answer that never comes."""
        self.ended.wait()
        return 200, {}

    def handle_error(self, *_: object) -> None:
        """Whoever sent has left."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        arrived = Arrived(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.got.append(arrived)
        status, headers = self.server.answer(arrived)
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.ended.set()
        receiver.shutdown()
        receiver.server_close()
        thread.join()
