"""Errors as each vendor's SDK expects them: status, body, and the event that ends a broken stream."""

from typing import Any

from tollhouse.domain.errors import BudgetExceeded, RateLimited, TollhouseError
from tollhouse.wire import json_text

_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

LONGEST_MESSAGE = 1000
"""Characters of another's message that are passed on."""


def status_of(error: TollhouseError, dialect: str) -> int:
    """The HTTP status; a spent budget has one of its own in Anthropic's dialect."""
    return 402 if dialect == "anthropic" and isinstance(error, BudgetExceeded) else error.status


def error_body(error: TollhouseError, dialect: str, request_id: str) -> dict[str, Any]:
    """The error in the caller's own shape."""
    status = status_of(error, dialect)
    default = "invalid_request_error" if status < 500 else "api_error"
    if dialect == "anthropic":
        kind = _ANTHROPIC_TYPES.get(status, default)
        return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id}
    kind = error.code if isinstance(error, BudgetExceeded) else _OPENAI_TYPES.get(status, default)
    if isinstance(error, RateLimited):
        kind = "tokens" if error.kind == "tokens" else "requests"
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def error_event(error: TollhouseError, dialect: str, request_id: str) -> bytes:
    """The server-sent event that tells a client that its stream will not end well."""
    data = json_text.write(error_body(error, dialect, request_id))
    return b"event: error\ndata: " + data + b"\n\n" if dialect == "anthropic" else b"data: " + data + b"\n\n"


def is_error_body(body: Any, dialect: str) -> bool:
    """Whether this document is an error as that vendor writes it."""
    if not isinstance(body, dict) or (body.get("type") == "error") != (dialect == "anthropic"):
        return False
    error = body.get("error")
    return isinstance(error, dict) and isinstance(error.get("message"), str)


def message_in(body: Any) -> str:
    """What an error document of whatever shape says to people, shortened; "" where nothing is found."""
    if isinstance(body, dict):
        error = body.get("error")
        for said in (
            error.get("message") if isinstance(error, dict) else error,
            body.get("message"),
            body.get("detail"),
        ):
            if isinstance(said, str) and said.strip():
                return said.strip()[:LONGEST_MESSAGE]
    return ""
