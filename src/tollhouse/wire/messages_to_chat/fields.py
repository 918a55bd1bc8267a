"""Reading a body whose open schema has checked little: what is not as it must be is named by its path."""

from collections.abc import Mapping
from typing import Any, cast

from tollhouse.domain.errors import InvalidField


def refuse(path: str, complaint: str) -> InvalidField:
    """The error, to be raised by whoever finds it."""
    return InvalidField(f"{path}: {complaint}.", param=path)


def text_at(holder: Mapping[str, Any], name: str, path: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise refuse(f"{path}.{name}", "a text is required")
    return value


def object_at(holder: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    return as_object(holder.get(name), f"{path}.{name}" if path else name)


def as_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refuse(path, "an object is required")
    return cast("dict[str, Any]", value)


def as_blocks(value: Any, path: str) -> list[dict[str, Any]]:
    """Content blocks, each of some type; a bare text is one block."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if not isinstance(value, list):
        raise refuse(path, "a text or a list of content blocks is required")
    blocks = [as_object(block, f"{path}[{number}]") for number, block in enumerate(value)]
    for number, block in enumerate(blocks):
        text_at(block, "type", f"{path}[{number}]")
    return blocks
