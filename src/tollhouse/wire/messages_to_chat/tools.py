"""Tool definitions, the choice among them, and the arguments of their calls."""

from collections.abc import Mapping
from typing import Any, cast

from tollhouse.domain.errors import InvalidJSON
from tollhouse.wire import json_text
from tollhouse.wire.messages_to_chat.fields import as_object, object_at, refuse, text_at
from tollhouse.wire.messages_to_chat.losses import Dropped

MALFORMED = "INVALID_JSON"
"""The key under which Anthropic's documentation of fine-grained tool streaming has input that was no JSON. When the
client returns it, it stays so: several hosts (vLLM, llama.cpp) refuse a history whose arguments are no JSON.
"""

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def tools_of(body: Mapping[str, Any], dropped: Dropped) -> dict[str, Any]:
    """The fields of a chat request that have to do with tools."""
    definitions = body.get("tools") or []
    choice = body.get("tool_choice")
    fields: dict[str, Any] = {}
    if definitions:
        fields["tools"] = [_definition(tool, f"tools[{number}]", dropped) for number, tool in enumerate(definitions)]
    if choice is None:
        return fields
    choice = as_object(choice, "tool_choice")
    kind = choice.get("type")
    if kind == "tool":
        asked: Any = {"type": "function", "function": {"name": text_at(choice, "name", "tool_choice")}}
    elif isinstance(kind, str) and kind in _CHOICES:
        asked = _CHOICES[kind]
    else:
        raise refuse("tool_choice.type", "one of auto, any, tool and none is required")
    if not definitions:
        # Hosts refuse a choice among no tools, and it asks for nothing unless it asks for a call.
        if kind in ("any", "tool"):
            raise refuse("tool_choice", "there are no tools to choose from")
        return fields
    fields["tool_choice"] = asked
    if choice.get("disable_parallel_tool_use") is True:
        fields["parallel_tool_calls"] = False
    return fields


def _definition(tool: Any, path: str, dropped: Dropped) -> dict[str, Any]:
    tool = as_object(tool, path)
    if tool.get("type") not in (None, "custom"):
        raise refuse(f"{path}.type", "this model's provider has no such tool; it takes tools with an input_schema")
    schema = object_at(tool, "input_schema", path)
    function: dict[str, Any] = {"name": text_at(tool, "name", path)}
    if tool.get("description") is not None:
        function["description"] = text_at(tool, "description", path)
    function["parameters"] = schema
    if tool.get("strict") is True:
        if is_closed(schema):
            function["strict"] = True
        else:
            dropped.add("tools[].strict")
    for name in ("defer_loading", "input_examples"):
        dropped.add_present(tool, name, f"tools[].{name}")
    if tool.get("allowed_callers") not in (None, [], ["direct"]):
        dropped.add("tools[].allowed_callers")
    definition: dict[str, Any] = {"type": "function", "function": function}
    if mark := tool.get("cache_control"):
        definition["cache_control"] = mark
    return definition


def is_closed(schema: Any) -> bool:
    """Whether a schema is one for chat's strict mode: objects that allow no other properties and require all."""
    if isinstance(schema, list):
        return all(is_closed(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    schema = cast("dict[str, Any]", schema)
    given, required = schema.get("properties"), schema.get("required")
    properties: dict[str, Any] = given if isinstance(given, dict) else {}
    if schema.get("type") == "object" or properties:
        asked = required if isinstance(required, list) else []
        if schema.get("additionalProperties") is not False or not all(name in asked for name in properties):
            return False
    rest = [value for name, value in schema.items() if name not in ("properties", "enum", "const", "default")]
    return is_closed([*properties.values(), *rest])


def input_of(arguments: Any) -> dict[str, Any]:
    """A call's arguments as tool input. What is no JSON object is kept as given, under the key `MALFORMED`."""
    if isinstance(arguments, dict):
        return cast("dict[str, Any]", arguments)
    text = arguments if isinstance(arguments, str) else json_text.write(arguments).decode()
    if text.strip() in ("", "null"):
        return {}
    try:
        return json_text.read_object(text.encode())
    except InvalidJSON:
        return {MALFORMED: text}
