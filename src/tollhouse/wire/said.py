"""How much a whole answer says, in bytes, by format: what is estimated of its output where its host tells no usage.

What stands around the text is no output: of "Hi" it is forty times as much. Total: whatever a host sends has a size.
"""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire import json_text

Document = Mapping[str, Any]


def said_in_choices(document: Document) -> int:
    """Of chat, and of its legacy completions."""
    choices = _objects(document.get("choices"))
    messages = _objects([choice.get("message") for choice in choices])
    return sum(_size(choice.get("text")) for choice in choices) + sum(map(_in_message, messages))


def said_in_blocks(document: Document) -> int:
    """Of Anthropic's messages."""
    size = 0
    for block in _objects(document.get("content")):
        size += _size(block.get("text")) + _size(block.get("thinking")) + _size(block.get("name"))
        size += _size_as_json(block.get("input"))
    return size


def said_in_items(document: Document) -> int:
    """Of Responses."""
    size = 0
    for item in _objects(document.get("output")):
        size += sum(_size(item.get(field)) for field in ("name", "arguments", "input"))
        # Of thoughts, their text, or else the summary of it.
        size += _in_parts(item.get("content")) or _in_parts(item.get("summary"))
    return size


def _in_message(message: Document) -> int:
    # Some hosts have the thoughts under both names.
    size = _size(message.get("reasoning_content")) or _size(message.get("reasoning"))
    size += _in_parts(message.get("content")) + _size(message.get("refusal"))
    calls = [call.get(kind) for call in _objects(message.get("tool_calls")) for kind in ("function", "custom")]
    for called in _objects([*calls, message.get("function_call")]):
        size += sum(_size(called.get(field)) for field in ("name", "arguments", "input"))
    return size


def _in_parts(content: Any) -> int:
    """A text, or parts of it."""
    parts = _objects(content)
    return _size(content) + sum(_size(part.get("text")) + _size(part.get("refusal")) for part in parts)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _size_as_json(value: Any) -> int:
    try:
        return 0 if value is None else len(json_text.write(value))
    except TypeError:  # nested deeper than the writer takes
        return 0


def _size(text: Any) -> int:
    return len(text.encode()) if isinstance(text, str) else 0
