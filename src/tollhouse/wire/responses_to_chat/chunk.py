"""What a chat host says, read without trust: a completion, a chunk, a message, a delta."""

from collections.abc import Iterator, Mapping
from typing import Any

from tollhouse.domain.errors import InvalidJSON
from tollhouse.wire import json_text
from tollhouse.wire.responses_to_chat.sealed import CONTENT, thought

BROKEN_OFF = ("error", "insufficient_system_resource")
"""Reasons by which hosts (OpenRouter and Mistral, DeepSeek) say that they failed midway."""
_INCOMPLETE = {
    "length": "max_output_tokens",
    "model_length": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "content_filter": "content_filter",
}


def read(text: bytes) -> dict[str, Any] | None:
    """A JSON object; None where it is none, or one so deep that it could not be written again."""
    document = json_text.read_leniently(text)
    if isinstance(document, dict) and text.count(b"[") + text.count(b"{") > json_text.DEEPEST:
        try:
            return json_text.read_object(text)
        except InvalidJSON:
            return None
    return document if isinstance(document, dict) else None


def objects(value: Any) -> list[dict[str, Any]]:
    """Of a list from a host, what is an object; nothing of anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def first_choice(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The one choice that a Responses client can have asked for."""
    for choice in objects(document.get("choices")):
        if not choice.get("index"):
            return choice
    return None


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
    for part in objects(content):
        if isinstance(text := part.get("text"), str) and text:
            yield "output_text", text
        for inner in objects(part.get("thinking")):
            if isinstance(text := inner.get("text"), str) and text:
                yield CONTENT, text


def refusal_of(message: Mapping[str, Any]) -> str:
    text = message.get("refusal")
    return text if isinstance(text, str) else ""


def logprobs_of(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Chat leaves out the bytes of a token that has none of its own; here they are required."""
    told = choice.get("logprobs")
    return [_logprob(one) for one in objects(told.get("content"))] if isinstance(told, dict) else []


def _logprob(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**_token(one), "top_logprobs": [_token(other) for other in objects(one.get("top_logprobs"))]}


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
        for one in objects(message.get("annotations"))
        if isinstance(cited := one.get("url_citation"), dict)
        and isinstance(cited.get("url"), str)
        and type(cited.get("start_index")) is int
        and type(cited.get("end_index")) is int
    ]
