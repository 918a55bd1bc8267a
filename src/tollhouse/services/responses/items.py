"""Items of Responses as they are kept and shown: each with an id, and spelled out."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.identifiers import new_id
from tollhouse.wire import json_text

Item = dict[str, Any]

LONGEST_ID = 1000
"""Some hosts write what they have to remember into the ids of their items."""
_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
_WITH_STATUS = frozenset({*_PREFIXES, "computer_call_output"} - {"reasoning"})


def items_of(given: Any) -> list[Item]:
    """The input of a request as items; a text is what the user says."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}] if given else []
    return list(given or ())


def kept(items: Sequence[Item], path: str) -> list[Item]:
    """The items as they are kept. InvalidField names, under `path`, one that cannot be."""
    return [_kept(item, f"{path}[{number}]") for number, item in enumerate(items)]


def is_reference(item: Mapping[str, Any]) -> bool:
    """Whether an item only names another one, which is kept here."""
    return item.get("type") == "item_reference" or item.keys() == {"id"}


def is_id(name: Any) -> bool:
    """Whether anything can be kept under this name."""
    return isinstance(name, str) and 0 < len(name) <= LONGEST_ID and name.isascii() and name.isprintable()


def size_of(items: Any) -> int:
    """Bytes, as they count against the longest body."""
    return len(json_text.write(items))


def _kept(item: Item, path: str) -> Item:
    kind = item.get("type") or "message"
    if not isinstance(kind, str):
        raise InvalidField(f"{path}.type: a string is required.", param=f"{path}.type")
    name = item.get("id")
    if name is not None and not is_id(name):
        raise InvalidField(f"{path}.id: at most {LONGEST_ID} plain characters are required.", param=f"{path}.id")
    told: Item = {"id": name or new_id(_PREFIXES.get(kind, "item")), **_without(item, "id"), "type": kind}
    if kind in _WITH_STATUS and not told.get("status"):
        told["status"] = "completed"
    if kind == "message" and isinstance(told.get("content"), str):
        told["content"] = [_spoken(told)]
    return told


def _spoken(message: Item) -> Item:
    if message.get("role") == "assistant":
        return {"type": "output_text", "text": message["content"], "annotations": []}
    return {"type": "input_text", "text": message["content"]}


def _without(item: Item, name: str) -> Item:
    return {key: value for key, value in item.items() if key != name}
