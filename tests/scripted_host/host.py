"""The server."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.running import RunningGateway
from tests.scripted_host import chat, messages
from tests.scripted_host.mind import Refused, answer

FORMATS = {"/v1/chat/completions": chat, "/v1/messages": messages}
CHAT, MESSAGES = "scripted-chat", "scripted-messages"
"""The names of its model in the gateway: that of a host of one format, and of the other."""


class ScriptedHost:
    """Listens on a free port of this machine until it is closed. What comes is kept in `asked`, newest last."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.failures: deque[tuple[int, dict[str, str]]] = deque()
        """Status and headers of the next answers, instead of what the model would say."""
        self.delay = 0.0
        """Seconds before each answer."""
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def introduce(self, running: RunningGateway) -> None:
        """Let the gateway know it: as a host of Chat Completions alone, and as one of Messages alone."""
        for name, format, url in ((CHAT, "openai", f"{self.url}/v1"), (MESSAGES, "anthropic", self.url)):
            running.command("providers", "add", name, "--format", format, "--base-url", url, "--allow-private")
            known = ("--input-price", "1", "--output-price", "2", "--context-window", "100000", "--max-output", "4000")
            running.command("models", "add", name, "--provider", name, *known)
        time.sleep(1.2)  # it is effective in all processes within a second

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: ScriptedHost) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = host


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        host = self.server.host
        host.asked.append(body)
        time.sleep(host.delay)
        format = FORMATS[self.path.partition("?")[0]]
        if host.failures:
            status, headers = host.failures.popleft()
            return self._document(status, format.error(status, "It fails, as told."), headers)
        try:
            asked = format.read(body)
        except Refused as refused:
            return self._document(400, format.error(400, str(refused), refused.param, refused.code))
        said = answer(asked)
        if body.get("stream"):
            return self._stream(format.stream(said, asked, body))
        return self._document(200, format.whole(said, asked, body))

    def _document(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, events: Iterable[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            # Networks do not end where events do.
            for part in (event[:20], event[20:]):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if part else b"")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass
