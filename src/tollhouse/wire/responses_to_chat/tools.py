"""Tool definitions, and the choice among them."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire.responses_to_chat.fields import kind_of, object_of, objects_of, refuse, text_of
from tollhouse.wire.responses_to_chat.losses import Dropped

_MARKS = ("cache_control", "prompt_cache_breakpoint")


def tools_of(body: Mapping[str, Any], dropped: Dropped) -> dict[str, Any]:
    """The fields of a chat request that have to do with tools. Where a function does not say whether it is strict,
    the host's default holds.
    """
    definitions = [
        _definition(tool, f"tools[{number}]", dropped) for number, tool in enumerate(body.get("tools") or ())
    ]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        # Hosts that have no such choice do not know of the others either: so they are not told of them.
        definitions = _allowed(choice, definitions)
        choice = choice.get("mode")
    asked = _choice(choice)
    if not definitions:
        # Hosts refuse a choice among no tools, and it asks for nothing unless it asks for a call.
        if asked not in (None, "auto", "none"):
            raise refuse("tool_choice", "there are no tools to choose from")
        return {}
    fields: dict[str, Any] = {"tools": definitions}
    if asked is not None:
        fields["tool_choice"] = asked
    if body.get("parallel_tool_calls") is False:
        fields["parallel_tool_calls"] = False
    return fields


def _definition(tool: Mapping[str, Any], path: str, dropped: Dropped) -> dict[str, Any]:
    kind = kind_of(tool, path)
    if kind not in ("function", "custom"):
        raise refuse(f"{path}.type", f"this model's provider has no such tool: {kind[:60]}")
    inner: dict[str, Any] = {"name": text_of(tool, "name", path)}
    if tool.get("description") is not None:
        inner["description"] = text_of(tool, "description", path)
    if kind == "function":
        if tool.get("parameters") is not None:
            inner["parameters"] = object_of(tool, "parameters", path)
        if tool.get("strict") is not None:
            inner["strict"] = tool["strict"]
    elif format := object_of(tool, "format", path):
        inner["format"] = _input_format(format, f"{path}.format")
    if tool.get("allowed_callers") not in (None, [], ["direct"]):
        dropped.note("tools[].allowed_callers")
    known = ("type", "name", "description", "parameters", "strict", "format", "allowed_callers", *_MARKS)
    dropped.note_others(tool, known, "tools[].")
    return {"type": kind, kind: inner, **{mark: tool[mark] for mark in _MARKS if tool.get(mark)}}


def _input_format(format: Mapping[str, Any], path: str) -> dict[str, Any]:
    if kind_of(format, path) != "grammar":
        return {**format}
    return {"type": "grammar", "grammar": {name: text_of(format, name, path) for name in ("syntax", "definition")}}


def _choice(choice: Any) -> Any:
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    if isinstance(choice, dict):
        kind = kind_of(choice, "tool_choice")
        if kind in ("function", "custom"):
            return {"type": kind, kind: {"name": text_of(choice, "name", "tool_choice")}}
        raise refuse("tool_choice.type", f"this model's provider has no such tool: {kind[:60]}")
    raise refuse("tool_choice", "one of auto, none, required, allowed tools and the name of a tool is required")


def _allowed(choice: Mapping[str, Any], definitions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if choice.get("mode") not in ("auto", "required"):
        raise refuse("tool_choice.mode", "one of auto and required is required")
    allowed = set()
    for number, tool in enumerate(objects_of(choice.get("tools"), "tool_choice.tools")):
        path = f"tool_choice.tools[{number}]"
        pair = (kind_of(tool, path), text_of(tool, "name", path))
        if not any(pair == _identity(definition) for definition in definitions):
            raise refuse(f"{path}.name", "no tool of this request is called so")
        allowed.add(pair)
    return [definition for definition in definitions if _identity(definition) in allowed]


def _identity(definition: Mapping[str, Any]) -> tuple[str, str]:
    kind = definition["type"]
    return kind, definition[kind]["name"]
