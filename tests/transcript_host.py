"""A host that answers with recorded transcripts: of each format the one that it was given last."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TRANSCRIPTS = Path(__file__).parent / "golden" / "transcripts"


class TranscriptHost:
    """Listens on a free port of this machine until it is closed. `asked` are the bodies that came, newest last."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answers: dict[bool, bytes] = {}
        self._status = 200
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                host.asked.append(body)
                streamed = bool(body.get("stream"))
                answer = b"{}" if host._status != 200 else host._answers[streamed]
                self.send_response(host._status)
                self.send_header("content-type", "text/event-stream" if streamed else "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def says(self, name: str) -> None:
        """Answer streamed or whole calls, by the name's suffix, with this transcript from now on."""
        self._answers[name.endswith(".sse")] = (TRANSCRIPTS / name).read_bytes()

    def fails(self, status: int) -> None:
        """Answer with this status from now on."""
        self._status = status

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
