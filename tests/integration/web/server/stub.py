"""A WSGI application that says, in the file EVENTS names, what gunicorn does to it."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import gevent

EVENTS = Path(os.environ["EVENTS"])
CHUNK = b"x" * 65_536
LARGE = 8 * 1024 * 1024
"""Bytes. More than the kernel takes on its own."""


def note(text: str) -> None:
    with EVENTS.open("a") as file:
        file.write(text + "\n")


class Chunks:
    """What a reply is to gunicorn: iterated, then closed."""

    def __init__(self, path: str, chunks: Iterable[bytes]) -> None:
        self._path = path
        self._chunks = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        note(f"closed {self._path}")


def ticks(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield b"tick %d\n" % number
        gevent.sleep(0.1)


class Service:
    def close(self) -> None:
        note("services closed")


class Application:
    def __init__(self) -> None:
        self.extensions = {"tollhouse": Service()}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        streams = {
            "/many": lambda: (CHUNK for _ in range(1024)),
            "/one": lambda: [b"x" * LARGE],
            "/ticks": lambda: ticks(int(query)),
        }
        if path in streams:
            start_response("200 OK", [("Content-Length", str(LARGE))] if path == "/one" else [])
            return Chunks(path, streams[path]())
        status, body = "200 OK", str(os.getpid())
        if path == "/read":
            try:
                note(f"read {len(environ['wsgi.input'].read())}")
            except TimeoutError:
                note("stalled /read")
                status = "408 Request Timeout"
        if path == "/environ":
            body = "\n".join(f"{name}={environ.get(name)}" for name in query.split(","))
        start_response(status, [("Content-Length", str(len(body)))])
        return [body.encode()]


application = Application()
if "gevent.monkey" not in sys.modules or not sys.modules["gevent.monkey"].is_module_patched("socket"):
    note("loaded before the patch")
