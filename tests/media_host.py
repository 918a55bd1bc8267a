"""A host of images, sound, moderation and rerank over real sockets: it checks what it is sent, and says little."""

import hashlib
import json
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header
from werkzeug.wsgi import LimitedStream

PNG = "iVBORw0KGgo="
SOUND = bytes(range(256)) * 1200


@dataclass
class Asked:
    """One request as it came. `files` are by field, with a number from its second on: (name, content type, size,
    SHA-256).
    """

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    files: dict[str, tuple[str, str, int, str]] = field(default_factory=dict)


def file_of(name: str, kind: str, data: bytes) -> tuple[str, str, int, str]:
    return name, kind, len(data), hashlib.sha256(data).hexdigest()


def wav(seconds: float, rate: int = 8000) -> bytes:
    """Silence, in 16 bits."""
    data = bytes(round(seconds * rate) * 2)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE") + form + struct.pack("<4sI", b"data", len(data)) + data
    )


Answer = tuple[int, str, bytes]


class MediaHost:
    """Listens on a free port of this machine until it is closed. `asked`: newest last."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Answer] = {}
        """By the end of a path: what is said in place of the usual."""
        self.stop_after: int | None = None
        """Bytes of a sound after which the connection is lost."""
        self.refuse: Callable[[], bool] = lambda: False
        """Whether to answer 503 instead."""
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                host._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = _read(request)
        self.asked.append(asked)
        if self.refuse():
            return _send(request, (503, "application/json", b'{"error":{"message":"busy"}}'))
        end = asked.path.rpartition("/")[2]
        if end == "speech" and asked.body.get("stream_format") != "sse" and end not in self.answers:
            return self._speak(request)
        return _send(request, self.answers.get(end) or _usual(end, asked))

    def _speak(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-type", "audio/mpeg")
        request.send_header("transfer-encoding", "chunked")
        request.end_headers()
        for start in range(0, len(SOUND), 4096):
            if self.stop_after is not None and start >= self.stop_after:
                request.close_connection = True
                request.wfile.flush()
                request.connection.close()
                return
            piece = SOUND[start : start + 4096]
            request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            request.wfile.flush()
            time.sleep(0.002)
        request.wfile.write(b"0\r\n\r\n")


def _read(request: BaseHTTPRequestHandler) -> Asked:
    headers = {name.lower(): value for name, value in request.headers.items()}
    length = int(headers["content-length"])
    kind, options = parse_options_header(headers["content-type"])
    if kind == "application/json":
        return Asked(request.path, headers, json.loads(request.rfile.read(length)))
    parser = MultiPartParser()
    fields, files = parser.parse(LimitedStream(request.rfile, length), options["boundary"].encode(), length)
    body: dict[str, Any] = {name: values[0] if len(values) == 1 else values for name, values in fields.lists()}
    told = {}
    for name, file in files.items(multi=True):
        digest, size = hashlib.sha256(), 0
        while piece := file.stream.read(1 << 16):
            digest.update(piece)
            size += len(piece)
        told[f"{name}{len(told)}" if name in told else name] = (
            file.filename or "",
            file.content_type or "",
            size,
            digest.hexdigest(),
        )
        file.close()
    return Asked(request.path, headers, body, told)


def _send(request: BaseHTTPRequestHandler, answer: Answer) -> None:
    status, kind, body = answer
    request.send_response(status)
    request.send_header("content-type", kind)
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def _usual(end: str, asked: Asked) -> Answer:
    body = asked.body
    if body.get("stream") in (True, "true") or body.get("stream_format") == "sse":
        return 200, "text/event-stream", b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in _events(end))
    if end in ("transcriptions", "translations"):
        return _transcript(str(body.get("response_format", "json")))
    if end == "moderations":
        result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
        return _json({"id": "modr-1", "model": body.get("model"), "results": [result]})
    if end == "rerank":
        results = [{"index": 0, "relevance_score": 0.9}]
        return _json({"id": "r", "results": results, "meta": {"billed_units": {"search_units": 1}}})
    return _json({"created": 1, "data": [{"b64_json": PNG}] * int(body.get("n") or 1)})


def _transcript(kind: str) -> Answer:
    if kind == "json":
        return _json({"text": "hello", "usage": {"type": "duration", "seconds": 9}})
    if kind == "verbose_json":
        return _json({"text": "hello", "duration": 8.47, "language": "english", "task": "transcribe", "segments": []})
    return 200, "text/plain; charset=utf-8", b"hello\n"


def _events(end: str) -> list[dict[str, Any]]:
    tokens = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30, "type": "tokens"}
    if end == "speech":
        return [{"type": "speech.audio.delta", "audio": "AAAA"}, {"type": "speech.audio.done", "usage": tokens}]
    if end == "transcriptions":
        done = {"type": "transcript.text.done", "text": "hello", "usage": tokens}
        return [{"type": "transcript.text.delta", "delta": "hel"}, done]
    kind = "image_generation" if end == "generations" else "image_edit"
    image = {"b64_json": PNG, "background": "auto", "created_at": 1, "output_format": "png", "quality": "low"}
    image["size"] = "1024x1024"
    usage = {**tokens, "input_tokens_details": {"image_tokens": 0, "text_tokens": 10}}
    partial = {"type": f"{kind}.partial_image", "partial_image_index": 0, **image}
    return [partial, {"type": f"{kind}.completed", "usage": usage, **image}]


def _json(document: dict[str, Any]) -> Answer:
    return 200, "application/json", json.dumps(document).encode()
