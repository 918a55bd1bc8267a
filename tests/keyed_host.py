"""A provider in OpenAI's shape with an answer of its own for each key."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1763000000,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
}


class KeyedHost:
    """Who sends no key that it knows gets 401. `asked` has the keys in the order in which they came. Close it."""

    def __init__(self, *keys: str) -> None:
        self.asked: list[str] = []
        self._says: dict[str, tuple[int, Mapping[str, str]]] = dict.fromkeys(keys, (200, {}))
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.host = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def says(self, key: str, status: int = 200, **headers: str) -> None:
        """What whoever sends this key gets from now on."""
        self._says[key] = (status, {name.replace("_", "-"): value for name, value in headers.items()})

    def answer(self, key: str) -> tuple[int, Mapping[str, str]]:
        return self._says.get(key, (401, {}))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    host: KeyedHost


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        key = (self.headers["authorization"] or "").removeprefix("Bearer ")
        self.server.host.asked.append(key)
        status, headers = self.server.host.answer(key)
        self._say(status, headers, ANSWER if status == 200 else {"error": {"message": "no", "code": None}})

    def do_GET(self) -> None:
        key = (self.headers["authorization"] or "").removeprefix("Bearer ")
        status, headers = self.server.host.answer(key)
        self._say(status, headers, {"object": "list", "data": [{"id": "m"}]})

    def _say(self, status: int, headers: Mapping[str, str], document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "content-type": "application/json", "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
