"""The bare WSGI function: it reads the body, sends it on, and gives back what came. No more than that."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from geventhttpclient import HTTPClient

_UPSTREAM = HTTPClient("127.0.0.1", int(os.environ["UPSTREAM_PORT"]), concurrency=4096, network_timeout=60)


def forward(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    headers = {"content-type": "application/json"} if body else {}
    response = _UPSTREAM.request(environ["REQUEST_METHOD"], environ["PATH_INFO"], body, headers)
    answer = bytes(response.read())
    start_response(
        f"{response.status_code} {response.status_message}",
        [("content-type", response.get("content-type")), ("content-length", str(len(answer)))],
    )
    return [answer]
