"""What a chat host sent, read without trust: for the translations whose hosts speak Chat Completions."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import InvalidJSON
from tollhouse.wire import json_text

BROKEN_OFF = ("error", "insufficient_system_resource")
"""Reasons by which hosts (OpenRouter and Mistral, DeepSeek) say that they failed midway."""


DONE: dict[str, Any] = {}
"""Stands for `[DONE]` where translations hand on documents to each other, rather than their bytes."""


def read(text: bytes) -> dict[str, Any] | None:
    """What a host sent; None where it is no JSON object, or one so deep that it could not be written again."""
    document = json_text.read_leniently(text)
    if isinstance(document, dict) and text.count(b"[") + text.count(b"{") > json_text.DEEPEST:
        try:
            return json_text.read_object(text)
        except InvalidJSON:
            return None
    return document if isinstance(document, dict) else None


def as_objects(value: Any) -> list[dict[str, Any]]:
    """Of a list from a host, what is an object; nothing of anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def first_choice(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The one choice that a client of another format can have asked for."""
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not choice.get("index"):
            return choice
    return None
