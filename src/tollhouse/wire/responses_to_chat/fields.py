"""Reading a body whose open schema has checked little: what is not as it must be is named by its path."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import InvalidField


def refuse(path: str, complaint: str) -> InvalidField:
    """The error, for whoever finds it to raise."""
    return InvalidField(f"{path}: {complaint}.", param=path)


def text_of(holder: Mapping[str, Any], name: str, path: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise refuse(f"{path}.{name}" if path else name, "a string is required")
    return value


def object_of(holder: Mapping[str, Any], name: str, path: str = "") -> dict[str, Any]:
    """An object that may be left out: then it is empty."""
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refuse(f"{path}.{name}" if path else name, "an object is required")
    return value


def kind_of(holder: Mapping[str, Any], path: str) -> str:
    return text_of(holder, "type", path)


def objects_of(value: Any, path: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise refuse(path, "a list is required")
    for number, one in enumerate(value):
        if not isinstance(one, dict):
            raise refuse(f"{path}[{number}]", "an object is required")
    return value
