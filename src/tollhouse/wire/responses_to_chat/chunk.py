"""What a chat host says, read without trust: a completion, a chunk, a message, a delta."""

from collections.abc import Iterator, Mapping
from typing import Any

from tollhouse.wire.completion import as_objects
from tollhouse.wire.responses_to_chat.sealed import CONTENT, thought

_INCOMPLETE = {
    "length": "max_output_tokens",
    "model_length": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "content_filter": "content_filter",
}


def incomplete_reason(finish_reason: Any) -> str | None:
    """Why a response is incomplete; None where it is complete."""
    return _INCOMPLETE.get(finish_reason) if isinstance(finish_reason, str) else None


def pieces(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The text of a message or delta in order: what is said as `output_text`, and thoughts by the field that they
    came by.
    """
    if found := thought(message):
        yield found
    content = message.get("content")
    if isinstance(content, str):
        if content:
            yield "output_text", content
        return
    for part in as_objects(content):
        if isinstance(text := part.get("text"), str) and text:
            yield "output_text", text
        for inner in as_objects(part.get("thinking")):
            if isinstance(text := inner.get("text"), str) and text:
                yield CONTENT, text


def refusal_of(message: Mapping[str, Any]) -> str:
    text = message.get("refusal")
    return text if isinstance(text, str) else ""


def logprobs_of(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Chat leaves out the bytes of a token that has none of its own; here they are required."""
    told = choice.get("logprobs")
    return [_logprob(one) for one in as_objects(told.get("content"))] if isinstance(told, dict) else []


def _logprob(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**_token(one), "top_logprobs": [_token(other) for other in as_objects(one.get("top_logprobs"))]}


def _token(one: Mapping[str, Any]) -> dict[str, Any]:
    token, logprob, told = one.get("token"), one.get("logprob"), one.get("bytes")
    token = token if isinstance(token, str) else ""
    plain = isinstance(told, list) and all(type(byte) is int for byte in told)
    return {
        "token": token,
        "bytes": told if plain else list(token.encode()),
        "logprob": float(logprob) if isinstance(logprob, (int, float)) else 0.0,
    }


def annotations_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Citations of web pages, flat as Responses has them."""
    return [
        {
            "type": "url_citation",
            "start_index": cited["start_index"],
            "end_index": cited["end_index"],
            "title": title if isinstance(title := cited.get("title"), str) else "",
            "url": cited["url"],
        }
        for one in as_objects(message.get("annotations"))
        if isinstance(cited := one.get("url_citation"), dict)
        and isinstance(cited.get("url"), str)
        and type(cited.get("start_index")) is int
        and type(cited.get("end_index")) is int
    ]
