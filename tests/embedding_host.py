"""A provider of embeddings whose vectors say which words a text has, so that its similarities can be counted."""

import json
import re
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = 509
"""A prime: no two words of the tests have one number."""


class EmbeddingHost:
    """Answers when it may, with `status`, and remembers what it was asked. Close it."""

    def __init__(self) -> None:
        self.status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.host = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    host: EmbeddingHost

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has left."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        host = self.server.host
        host.asked.append(body["input"])
        host.may_answer.wait(60)
        answer: dict[str, Any] = {"error": {"message": "no", "type": "server_error"}}
        if host.status == 200:
            words = re.findall(r"\w+", body["input"].lower())
            usage = {"prompt_tokens": len(words), "total_tokens": len(words)}
            data = [{"object": "embedding", "index": 0, "embedding": vector(words)}]
            answer = {"object": "list", "data": data, "model": body["model"], "usage": usage}
        text = json.dumps(answer).encode()
        self.send_response(host.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def vector(words: list[str]) -> list[float]:
    """One dimension a word."""
    numbers = [0.0] * DIMENSIONS
    for word in words:
        numbers[zlib.crc32(word.encode()) % DIMENSIONS] += 0.25
    return numbers
