"""What a call asks last, where that is plain text, and the call without it."""

from collections.abc import Mapping
from typing import Any

_TURNS = {"chat": "messages", "messages": "messages", "responses": "input"}
"""Where a format has its turns."""
_TEXTS = ("text", "input_text")


def last_turn(format: str, body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The text of the last turn and the body with an empty one in its place; None where that turn is not the user's,
    or is anything but one text.
    """
    field = _TURNS.get(format)
    turns = body.get(field) if field is not None else None
    if field is None or not turns:
        return None
    if isinstance(turns, str):
        return (turns, {**body, field: ""}) if format == "responses" else None
    last = turns[-1] if isinstance(turns, list) else None
    if not isinstance(last, dict) or last.get("role") != "user" or last.get("type", "message") != "message":
        return None
    found = _plain(last.get("content"))
    if found is None:
        return None
    text, without = found
    return text, {**body, field: [*turns[:-1], {**last, "content": without}]}


def _plain(content: Any) -> tuple[str, Any] | None:
    if isinstance(content, str):
        return (content, "") if content else None
    if not isinstance(content, list) or len(content) != 1 or not isinstance(part := content[0], dict):
        return None
    text = part.get("text")
    if part.get("type") not in _TEXTS or not isinstance(text, str) or not text:
        return None
    return text, [{**part, "text": ""}]
