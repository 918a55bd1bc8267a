"""What makes a whole document an answer of its format. Only what clients and translations build upon is looked at."""

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

Fault = Callable[[Mapping[str, Any]], str | None]
"""The path of the first thing in a document that makes it none of its format; None where nothing does."""

_MOST_TOKENS = 2**31 - 1


def objects_at(*names: str) -> Fault:
    """An answer has a list of objects under one of these names."""

    def fault(document: Mapping[str, Any]) -> str | None:
        return None if any(_are_objects(document.get(name)) for name in names) else names[0]

    return fault


def transcript(document: Mapping[str, Any]) -> str | None:
    return None if isinstance(document.get("text"), str) else "text"


def count_of_tokens(document: Mapping[str, Any]) -> str | None:
    tokens = document.get("input_tokens")
    # A boolean is an integer to Python.
    return None if type(tokens) is int and 0 <= tokens <= _MOST_TOKENS else "input_tokens"


def completion(document: Mapping[str, Any]) -> str | None:
    """Of the legacy format."""
    choices = document.get("choices")
    if not _are_objects(choices):
        return "choices"
    for number, choice in enumerate(choices):
        if not isinstance(choice.get("text"), str | None):
            return f"choices[{number}].text"
    return None


def chat_completion(document: Mapping[str, Any]) -> str | None:
    choices = document.get("choices")
    if not _are_objects(choices):
        return "choices"
    for number, choice in enumerate(choices):
        message = choice.get("message")
        if not isinstance(message, dict):
            return f"choices[{number}].message"
        if wrong := _chat_content(message.get("content")) or _chat_calls(message.get("tool_calls")):
            return f"choices[{number}].message.{wrong}"
    return None


def message(document: Mapping[str, Any]) -> str | None:
    blocks = document.get("content")
    if not _are_objects(blocks):
        return "content"
    for number, block in enumerate(blocks):
        kind = block.get("type")
        if kind == "text" and not isinstance(block.get("text"), str):
            return f"content[{number}].text"
        if kind == "tool_use" and not isinstance(block.get("name"), str):
            return f"content[{number}].name"
    return None


def _chat_content(content: Any) -> str | None:
    if isinstance(content, str | None):
        return None
    if not _are_objects(content):
        return "content"
    for number, part in enumerate(content):
        if part.get("type") == "text" and not isinstance(part.get("text"), str):
            return f"content[{number}].text"
    return None


def _chat_calls(calls: Any) -> str | None:
    if calls is None:
        return None
    if not _are_objects(calls):
        return "tool_calls"
    for number, call in enumerate(calls):
        called = call.get("function") or call.get("custom")
        if not isinstance(called, dict) or not isinstance(called.get("name"), str):
            return f"tool_calls[{number}].function.name"
    return None


def _are_objects(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
