"""Errors as each vendor's SDK expects them: status, body, and the event that ends a broken stream."""

from typing import Any

from tollhouse.domain.errors import (
    BudgetExceeded,
    Overloaded,
    RateLimited,
    ThreadsUnsupported,
    TollhouseError,
    UpstreamRejected,
)
from tollhouse.wire import json_text
from tollhouse.wire.framing import event_data
from tollhouse.wire.host_error import OVERLOADED, anthropic_type, openai_type


def status_of(error: TollhouseError, dialect: str) -> int:
    """The HTTP status. A spent budget has one of its own in Anthropic's dialect, a busy host in each, and so has a busy
    gateway: https://platform.claude.com/docs/en/api/errors. SDKs of both try again after it.
    """
    if isinstance(error, Overloaded) or (isinstance(error, UpstreamRejected) and error.status in OVERLOADED):
        return 529 if dialect == "anthropic" else 503
    return 402 if dialect == "anthropic" and isinstance(error, BudgetExceeded) else error.status


def error_body(error: TollhouseError, dialect: str, request_id: str) -> dict[str, Any]:
    """The error in the caller's own shape."""
    status = status_of(error, dialect)
    # What goes wrong in the gateway itself, or on the way, has the same word in both dialects.
    ours = status >= 500 and not isinstance(error, UpstreamRejected)
    if dialect == "anthropic":
        kind = "api_error" if ours and status not in (504, 529) else anthropic_type(status)
        said: dict[str, Any] = {"type": kind, "message": error.message}
        if isinstance(error, ThreadsUnsupported):
            said["details"] = {"error_code": error.code}
        return {"type": "error", "error": said, "request_id": request_id}
    kind = error.code if isinstance(error, BudgetExceeded) else "api_error" if ours else openai_type(status)
    if isinstance(error, RateLimited):
        kind = "tokens" if error.kind == "tokens" else "requests"
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def error_event(error: TollhouseError, dialect: str, request_id: str) -> bytes:
    """The server-sent event that tells a client that its stream will not end well."""
    data = json_text.write(error_body(error, dialect, request_id))
    return b"event: error\ndata: " + data + b"\n\n" if dialect == "anthropic" else b"data: " + data + b"\n\n"


def response_error_event(error: TollhouseError, last: bytes, *, plus: int = 1) -> bytes:
    """The same in a stream of a Response, whose events are numbered. `last` are the latest of them that went out, or,
    with `plus` 0, the one in whose place it stands.
    """
    document = json_text.read_leniently(event_data(last.rstrip().rpartition(b"\n\n")[2] + b"\n\n"))
    number = document.get("sequence_number") if isinstance(document, dict) else None
    told: dict[str, Any] = {"type": "error", "code": error.code, "message": error.message, "param": error.param}
    told["sequence_number"] = number + plus if isinstance(number, int) else 0
    return b"event: error\ndata: " + json_text.write(told) + b"\n\n"


def without_last_event(events: bytes) -> bytes:
    """All that a translation wrote before it said that the stream has failed."""
    before, end, _ = events.rstrip().rpartition(b"\n\n")
    return before + end


def is_error_event(events: bytes) -> bool:
    """Whether the last of these events, as a translation wrote them, says that the stream has failed."""
    last = events.rstrip().rpartition(b"\n\n")[2]
    return last.startswith((b"event: error\n", b"event: response.failed\n", b'data: {"error":{'))


def is_error_text(text: bytes, dialect: str) -> bool:
    """Whether these bytes, as a translation wrote them, are an error rather than an answer."""
    return text.startswith(b'{"type":"error"' if dialect == "anthropic" else b'{"error":{')


def is_error_body(body: Any, dialect: str) -> bool:
    """Whether this document is an error as that vendor writes it."""
    if not isinstance(body, dict) or (body.get("type") == "error") != (dialect == "anthropic"):
        return False
    error = body.get("error")
    return isinstance(error, dict) and isinstance(error.get("message"), str)
