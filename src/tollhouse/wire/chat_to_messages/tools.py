"""Functions as tools, and calls of them as tool_use blocks."""

import re
import zlib
from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import InvalidJSON
from tollhouse.wire import json_text
from tollhouse.wire.chat_to_messages.losses import Dropped
from tollhouse.wire.chat_to_messages.parts import invalid, items_of, mark_of, object_of
from tollhouse.wire.chat_to_messages.strict_schema import enforceable

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_INVALID_JSON = "INVALID_JSON"
"""The key under which Anthropic's page on streaming of tools wants what is not JSON to be wrapped."""


def is_legacy(body: Mapping[str, Any]) -> bool:
    """Whether the caller knows functions only, of which a message calls one at most."""
    return bool(body.get("functions")) and not body.get("tools")


def tools_of(body: Mapping[str, Any], dropped: Dropped) -> list[dict[str, Any]]:
    tools = []
    for index, tool in enumerate(body.get("tools") or ()):
        path = f"tools[{index}]"
        if tool.get("type", "function") != "function":
            raise invalid(f"{path}.type", "the provider of this model takes tools of type 'function' only")
        dropped.note_unknown(tool, ("type", "function", "cache_control", "prompt_cache_breakpoint"), "tools[].")
        translated = _tool(tool.get("function"), f"{path}.function", dropped)
        if mark := mark_of(tool, path, dropped):
            translated["cache_control"] = mark
        tools.append(translated)
    for index, function in enumerate(items_of(body, "functions", "functions")):
        tools.append(_tool(function, f"functions[{index}]", dropped))
    return tools


def _tool(function: Any, path: str, dropped: Dropped) -> dict[str, Any]:
    if not isinstance(function, dict) or not isinstance(name := function.get("name"), str):
        raise invalid(f"{path}.name", "a string is needed")
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise invalid(f"{path}.parameters", "a JSON schema is needed")
    known = ("name", "description", "parameters", "strict", "cache_control")
    dropped.note_unknown(function, known, "tools[].function.")
    tool: dict[str, Any] = {"name": name, "input_schema": {"type": "object", **(parameters or {})}}
    if description := function.get("description"):
        tool["description"] = description
    if function.get("strict"):
        tool["input_schema"], less = enforceable(tool["input_schema"])
        tool["strict"] = True
        if less:
            dropped.note("tools[].function.parameters")
    if mark := object_of(function, "cache_control", path):
        tool["cache_control"] = mark
    return tool


def choose(body: Mapping[str, Any], tools: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The tools that may be used, and the `tool_choice` among them; None leaves it to the host."""
    choice = body.get("tool_choice") or body.get("function_call")
    field = "tool_choice" if body.get("tool_choice") else "function_call"
    if isinstance(choice, dict) and isinstance(allowed := choice.get("allowed_tools"), dict):
        tools = _allowed(allowed, tools)
        choice = allowed.get("mode")
    chosen = _choice(choice, field)
    one_only = body.get("parallel_tool_calls") is False or is_legacy(body)
    if one_only and tools and chosen != {"type": "none"}:
        chosen = {**(chosen or {"type": "auto"}), "disable_parallel_tool_use": True}
    # Without tools nothing else can be meant, and hosts refuse to be told so.
    if not tools and chosen in ({"type": "none"}, {"type": "auto"}):
        chosen = None
    return tools, chosen


def _choice(choice: Any, field: str) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        kinds = {"auto": "auto", "none": "none", "required": "any"}
        if choice in kinds:
            return {"type": kinds[choice]}
    elif isinstance(choice, dict):
        function = choice.get("function", choice)
        if isinstance(function, dict) and isinstance(name := function.get("name"), str):
            return {"type": "tool", "name": name}
    raise invalid(field, "'auto', 'none', 'required', allowed tools or the name of a function is needed")


def _allowed(allowed: Mapping[str, Any], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tools that may not be used are not told of."""
    names = set()
    for index, tool in enumerate(items_of(allowed, "tools", "tool_choice.allowed_tools.tools")):
        function = tool.get("function") if isinstance(tool, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not any(known["name"] == name for known in tools):
            path = f"tool_choice.allowed_tools.tools[{index}].function.name"
            raise invalid(path, "no tool of this request has this name")
        names.add(name)
    return [tool for tool in tools if tool["name"] in names]


def tool_use(call: Any, path: str, dropped: Dropped) -> dict[str, Any]:
    """A call that the model made earlier."""
    if not isinstance(call, dict) or call.get("type", "function") != "function":
        raise invalid(f"{path}.type", "the provider of this model takes calls of type 'function' only")
    known = ("id", "type", "function", "index", "cache_control", "prompt_cache_breakpoint")
    dropped.note_unknown(call, known, "messages[].tool_calls[].")
    identity = tool_id(call.get("id"), f"{path}.id")
    block = call_block(call.get("function"), identity, f"{path}.function", dropped)
    if mark := mark_of(call, path, dropped):
        block["cache_control"] = mark
    return block


def call_block(function: Any, identity: str, path: str, dropped: Dropped) -> dict[str, Any]:
    if not isinstance(function, dict) or not isinstance(name := function.get("name"), str):
        raise invalid(f"{path}.name", "a string is needed")
    given = _input(function.get("arguments"), path)
    if given is None:
        dropped.note("messages[].tool_calls[].function.arguments")
        given = {_INVALID_JSON: function["arguments"]}
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def tool_id(identity: Any, path: str) -> str:
    """An id as Messages has them: letters, digits, `_` and `-`. The same id always gives the same."""
    if not isinstance(identity, str) or not identity:
        raise invalid(path, "the id of a tool call is needed")
    if not _NOT_IN_IDS.search(identity):
        return identity
    return f"{_NOT_IN_IDS.sub('_', identity)}_{zlib.crc32(identity.encode()):08x}"


def _input(arguments: Any, path: str) -> dict[str, Any] | None:
    """Arguments as an object; None for what is none, which stays visible, whole, under a key that tells so."""
    if isinstance(arguments, dict):
        return arguments
    if arguments is None:
        return {}
    if not isinstance(arguments, str):
        raise invalid(f"{path}.arguments", "a string is needed")
    if not arguments.strip():
        return {}
    try:
        return json_text.read_object(arguments.encode())
    except InvalidJSON:
        return None
