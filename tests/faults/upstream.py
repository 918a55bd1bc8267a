"""A provider in OpenAI's shape that does what each call tells it to, and remembers every call that it saw.

What to do is in the call's message (see client.py): how many tokens, how far apart, and how long to be silent first.
"""

import json
import select
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.faults.client import Plan


@dataclass
class SeenCall:
    """One call, as this end saw it. Times are `time.monotonic()`."""

    number: int
    streamed: bool
    at: float = field(default_factory=time.monotonic)
    sent_at: list[float] = field(default_factory=list)
    """When each token of output was sent."""
    told_usage: bool = False
    ended_at: float | None = None
    left: bool = False
    """Whether the gateway closed the connection before the answer was whole."""

    def sent_by(self, moment: float) -> int:
        return sum(at <= moment for at in self.sent_at)


class Upstream:
    """A server on a thread of the tests. Close it."""

    def __init__(self) -> None:
        self.calls: list[SeenCall] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.upstream = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def open_calls(self) -> list[SeenCall]:
        return [call for call in self.calls if call.ended_at is None]

    def call(self, number: int) -> SeenCall:
        """The one call of this number."""
        (found,) = [call for call in self.calls if call.number == number]
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    upstream: Upstream

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was reset, between two calls."""


class _Gone(Exception):
    """The gateway has closed the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        plan = Plan.read(body["messages"][0]["content"])
        call = SeenCall(plan.number, bool(body.get("stream")))
        self.server.upstream.calls.append(call)
        try:
            self._answer(plan, call)
        except (_Gone, OSError):
            call.left = True
            self.close_connection = True
        finally:
            call.ended_at = time.monotonic()

    def _answer(self, plan: Plan, call: SeenCall) -> None:
        self._pause(plan.silent)
        if not call.streamed:
            # A whole reply is worked on just as long, and is there at once.
            self._pause(plan.tokens * plan.every)
            call.sent_at += [time.monotonic()] * plan.tokens
            call.told_usage = True
            message = {"role": "assistant", "content": "w " * plan.tokens}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            text = json.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": plan.usage}).encode()
            self._head("application/json", {"content-length": str(len(text))})
            self.wfile.write(text)
            return
        self._head("text/event-stream", {"transfer-encoding": "chunked"})
        self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        for _ in range(plan.tokens):
            self._pause(plan.every)
            call.sent_at.append(time.monotonic())
            self._event({"choices": [{"index": 0, "delta": {"content": "w "}}]})
        call.told_usage = True
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event({"choices": [], "usage": plan.usage})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _head(self, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _event(self, document: dict[str, Any]) -> None:
        text = json.dumps({**_HEAD, "object": "chat.completion.chunk", **document})
        self._chunk(f"data: {text}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _pause(self, seconds: float) -> None:
        """Wait, and see at once that the gateway leaves."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], left)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise _Gone

    def log_message(self, format: str, *args: Any) -> None:
        pass


_HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "scripted"}
