"""What a reply of the echo provider is made of, whatever its format."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

CREATED = 1_767_225_600
"""Unix seconds, 2026-01-01: by a clock, each reply would be another one."""

TOLD_TO_FAIL = "The echo provider was told to fail."


class UnreadableBody(Exception):
    """The body is not one that this format knows. The message is for the caller."""


@dataclass(frozen=True, slots=True)
class EchoReply:
    """A reply: either `whole`, one body, or `events`, each with whether it is a word.

    `error_event` is what a stream that was told to fail sends instead of going on.
    """

    status: int
    content_type: str
    whole: tuple[bytes, ...] = ()
    events: Iterable[tuple[bytes, bool]] = ()
    error_event: bytes = b""


def whole_reply(status: int, value: Mapping[str, Any]) -> EchoReply:
    return EchoReply(status, "application/json", whole=(orjson.dumps(value),))


def stream_reply(events: Iterable[tuple[bytes, bool]], error_event: bytes) -> EchoReply:
    return EchoReply(200, "text/event-stream; charset=utf-8", events=events, error_event=error_event)


def event(value: Mapping[str, Any]) -> bytes:
    """A server-sent event as OpenAI writes it."""
    return b"data: %b\n\n" % orjson.dumps(value)


def named_event(value: Mapping[str, Any]) -> bytes:
    """A server-sent event as Anthropic writes it: named by the type of its data."""
    return b"event: %b\ndata: %b\n\n" % (str(value["type"]).encode(), orjson.dumps(value))


def model_of(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str):
        raise UnreadableBody("The model must be named.")
    return model


def whole_number(value: object, name: str, least: int, most: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise UnreadableBody(f"{name} must be a whole number from {least} to {most}.")
    return value


def openai_error(status: int, sentence: str) -> dict[str, Any]:
    kinds = {429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    return {"error": {"message": sentence, "type": kind, "param": None, "code": code}}


def anthropic_error(status: int, sentence: str) -> dict[str, Any]:
    # https://docs.anthropic.com/en/api/errors
    kinds = {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
    kind = kinds.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": sentence}, "request_id": "req_echo"}
