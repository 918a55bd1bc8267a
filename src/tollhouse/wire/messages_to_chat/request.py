"""A Messages request as a Chat Completions request."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import ThreadsUnsupported
from tollhouse.wire.kept_elsewhere import refuse_kept_elsewhere
from tollhouse.wire.messages_to_chat.conversation import Conversation
from tollhouse.wire.messages_to_chat.effort import effort_of
from tollhouse.wire.messages_to_chat.fields import as_object, object_at, refuse
from tollhouse.wire.messages_to_chat.losses import ANY_OTHER, Dropped
from tollhouse.wire.messages_to_chat.tools import is_closed, tools_of
from tollhouse.wire.pair import Recipient, Translated
from tollhouse.wire.refused import without_refused

_SAME = {
    "temperature": "temperature",
    "top_p": "top_p",
    "stop_sequences": "stop",
    "stream": "stream",
    # The name that takes thoughts into account, as Anthropic's does; the format's `write` knows the host's own.
    "max_tokens": "max_completion_tokens",
}
_OWN_NAMES = {
    "user": "metadata",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "response_format": "output_config.format",
    "stop": "stop_sequences",
}
_READ = {
    *_SAME,
    *("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "output_format"),
    *("metadata", "service_tier", "cache_control", "container", "mcp_servers", "inference_geo", "speed"),
}


def translate(body: Mapping[str, Any], recipient: Recipient) -> Translated:
    """Raises InvalidField where the call would come to mean something else."""
    _refuse_what_means_something_else(body)
    dropped = Dropped()
    conversation = Conversation(body["model"], dropped)
    conversation.add_system(body.get("system") or [], "system")
    for number, message in enumerate(body["messages"]):
        conversation.add(message, f"messages[{number}]")
    messages = conversation.messages
    if mark := body.get("cache_control"):
        _mark_last(messages, mark)
    if body["messages"][-1]["role"] == "assistant":
        dropped.add("messages[-1].role")
    chat: dict[str, Any] = {"model": body["model"], "messages": messages}
    for name, chat_name in _SAME.items():
        if body.get(name) not in (None, []):
            chat[chat_name] = body[name]
    chat |= tools_of(body, dropped)
    if effort := effort_of(body, dropped):
        chat["reasoning_effort"] = effort
    if response_format := _response_format(body, dropped):
        chat["response_format"] = response_format
    chat |= _about_the_call(body, dropped)
    for name, value in body.items():
        if name not in _READ and value is not None:
            dropped.add_unknown(name)
    return _for(recipient, chat, body, dropped)


def _for(recipient: Recipient, chat: dict[str, Any], body: Mapping[str, Any], dropped: Dropped) -> Translated:
    taken, refused = without_refused(chat, recipient)
    for name in refused:
        dropped.add(_told(name, body))
    return Translated(taken, dropped.fields)


def _told(name: str, body: Mapping[str, Any]) -> str:
    """A field of chat under the name that the client knows it by."""
    if name == "reasoning_effort":
        return "output_config.effort" if (body.get("output_config") or {}).get("effort") else "thinking.budget_tokens"
    return _OWN_NAMES.get(name, name)


def _about_the_call(body: Mapping[str, Any], dropped: Dropped) -> dict[str, Any]:
    metadata = as_object(body.get("metadata") or {}, "metadata")
    if metadata.keys() - {"user_id"}:
        dropped.add("metadata")
    if body.get("speed") not in (None, "standard"):
        dropped.add("speed")
    fields = {}
    if isinstance(user := metadata.get("user_id"), str):
        fields["user"] = user
    if body.get("service_tier") == "standard_only":
        fields["service_tier"] = "default"
    return fields


def _refuse_what_means_something_else(body: Mapping[str, Any]) -> None:
    if body.get("thread"):
        # Told at its first turn: a later one has the new messages alone.
        raise ThreadsUnsupported(
            "thread: this model's provider keeps no conversations; send the whole of it, without a thread.",
            param="thread",
        )
    if body.get("mcp_servers"):
        raise refuse("mcp_servers", "this model's provider does not connect to MCP servers")
    refuse_kept_elsewhere(body)
    if body.get("inference_geo") not in (None, "global"):
        raise refuse("inference_geo", "this model's provider cannot be told where to run")


def _mark_last(messages: list[dict[str, Any]], mark: Any) -> None:
    """A mark on the whole request stands for one on the last block that can have it."""
    last = messages[-1] if messages else {}
    content = last.get("content")
    if isinstance(content, str) and content:
        last["content"] = [{"type": "text", "text": content, "cache_control": mark}]
    elif isinstance(content, list) and content:
        content[-1].setdefault("cache_control", mark)


def _response_format(body: Mapping[str, Any], dropped: Dropped) -> dict[str, Any] | None:
    output_config = as_object(body.get("output_config") or {}, "output_config")
    path = "output_config.format" if output_config.get("format") else "output_format"
    asked = output_config.get("format") or body.get("output_format")
    for name in output_config:
        if name not in ("format", "effort"):
            dropped.add("output_config.task_budget" if name == "task_budget" else ANY_OTHER)
    if not asked:
        return None
    asked = as_object(asked, path)
    if asked.get("type") != "json_schema":
        raise refuse(f"{path}.type", "json_schema is required")
    schema = object_at(asked, "schema", path)
    # Strict is what Anthropic's is; where the schema is not one for it, hosts follow it as well as they can.
    strict = is_closed(schema)
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": strict}}
