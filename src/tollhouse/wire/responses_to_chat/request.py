"""A Responses request as a Chat Completions request."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire.kept_elsewhere import refuse_kept_elsewhere
from tollhouse.wire.pair import Recipient, Translated
from tollhouse.wire.refused import without_refused
from tollhouse.wire.responses_to_chat.conversation import Conversation
from tollhouse.wire.responses_to_chat.fields import kind_of, object_of, objects_of, refuse, text_of
from tollhouse.wire.responses_to_chat.losses import FIELDS, Dropped, says_nothing
from tollhouse.wire.responses_to_chat.tools import tools_of

_SAME = {
    "temperature": "temperature",
    "top_p": "top_p",
    # The name that takes thoughts into account, as Responses does; the format's `write` knows the host's own.
    "max_output_tokens": "max_completion_tokens",
    **{
        name: name
        for name in (
            *("user", "safety_identifier", "service_tier"),
            *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
            # Of chat itself, which clients send beside those of the format that they speak.
            *("stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias"),
        )
    },
}
_OWN_NAMES = {
    "cache_control": "input[].cache_control",
    "logprobs": "include",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}
"""Of fields of chat that a host may not have."""
_LOGPROBS = "message.output_text.logprobs"
_READ = frozenset(
    {
        *_SAME,
        *FIELDS,
        *("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"),
        *("include", "top_logprobs", "truncation", "stream", "stream_options", "prompt"),
        # Of the reply or of its place here: they are echoed, or somebody else's.
        *("metadata", "store", "background", "previous_response_id", "conversation"),
        # Of providers' own tools, of which there are none.
        "max_tool_calls",
    }
)


def translate(body: Mapping[str, Any], recipient: Recipient) -> Translated:
    """Raises InvalidField where the call would come to mean something else."""
    refuse_kept_elsewhere(body, own=("conversation", "previous_response_id"))
    if body.get("prompt"):
        raise refuse("prompt", "this model's provider has no stored prompts")
    dropped = Dropped()
    chat: dict[str, Any] = {"model": body["model"], "messages": _messages(body, dropped)}
    for name, chat_name in _SAME.items():
        if not says_nothing(body.get(name)):
            chat[chat_name] = body[name]
    chat |= tools_of(body, dropped)
    chat |= _text(object_of(body, "text"), dropped)
    chat |= _reasoning(object_of(body, "reasoning"), dropped)
    chat |= _logprobs(body)
    if body.get("stream"):
        # The last event tells the usage, whether it was asked for or not.
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
        if object_of(body, "stream_options").get("include_obfuscation"):
            dropped.note("stream_options.include_obfuscation")
    if body.get("truncation") == "auto":
        dropped.note("truncation")
    for name in FIELDS:
        if not says_nothing(body.get(name)):
            dropped.note(name)
    dropped.note_others(body, _READ)
    chat, refused = without_refused(chat, recipient)
    for name in refused:
        dropped.note(_OWN_NAMES.get(name, name))
    return Translated(chat, dropped.paths)


def _messages(body: Mapping[str, Any], dropped: Dropped) -> list[dict[str, Any]]:
    conversation = Conversation(body["model"], dropped)
    if body.get("instructions"):
        conversation.add_system(text_of(body, "instructions", ""))
    given = body.get("input")
    if isinstance(given, str):
        conversation.add({"role": "user", "content": given}, "input")
    else:
        for number, item in enumerate(objects_of(given or [], "input")):
            conversation.add(item, f"input[{number}]")
    conversation.end()
    if not conversation.messages:
        raise refuse("input", "there is nothing in it")
    return conversation.messages


def _text(text: Mapping[str, Any], dropped: Dropped) -> dict[str, Any]:
    dropped.note_others(text, ("format", "verbosity"), "text.")
    fields: dict[str, Any] = {}
    if text.get("verbosity") not in (None, "medium"):
        fields["verbosity"] = text_of(text, "verbosity", "text")
    format = object_of(text, "format", "text")
    kind = kind_of(format, "text.format") if format else "text"
    if kind == "json_object":
        fields["response_format"] = {"type": "json_object"}
    elif kind == "json_schema":
        schema: dict[str, Any] = {"name": text_of(format, "name", "text.format")}
        for name in ("description", "schema", "strict"):
            if format.get(name) is not None:
                schema[name] = format[name]
        if not isinstance(schema.get("schema"), dict):
            raise refuse("text.format.schema", "an object is required")
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif kind != "text":
        raise refuse("text.format.type", "one of text, json_object and json_schema is required")
    return fields


def _reasoning(reasoning: Mapping[str, Any], dropped: Dropped) -> dict[str, Any]:
    if reasoning.get("summary") or reasoning.get("generate_summary"):
        dropped.note("reasoning.summary")
    if reasoning.get("context") not in (None, "auto"):
        dropped.note("reasoning.context")
    if reasoning.get("mode") not in (None, "standard"):
        dropped.note("reasoning.mode")
    dropped.note_others(reasoning, ("effort", "summary", "generate_summary", "context", "mode"), "reasoning.")
    return {} if reasoning.get("effort") is None else {"reasoning_effort": text_of(reasoning, "effort", "reasoning")}


def _logprobs(body: Mapping[str, Any]) -> dict[str, Any]:
    most = body.get("top_logprobs")
    if _LOGPROBS not in (body.get("include") or ()) and not most:
        return {}
    return {"logprobs": True, **({"top_logprobs": most} if most else {})}
