"""A Chat Completions request as a Messages request."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire.chat_to_messages.losses import FIELDS, SILENT, Dropped
from tollhouse.wire.chat_to_messages.parts import invalid
from tollhouse.wire.chat_to_messages.strict_schema import enforceable
from tollhouse.wire.chat_to_messages.thinking import sample, think
from tollhouse.wire.chat_to_messages.tools import choose, tools_of
from tollhouse.wire.chat_to_messages.turns import Turns
from tollhouse.wire.kept_elsewhere import refuse_kept_elsewhere
from tollhouse.wire.pair import Recipient, Translated

_OWN = ("cache_control", "top_k", "thinking", "output_config")
"""Fields of Messages itself, which clients send beside those of the format they speak: they go on as they are."""

_KNOWN = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "n", "modalities", "max_tokens", "max_completion_tokens"),
        *("stop", "temperature", "top_p", "user", "safety_identifier", "service_tier", "reasoning_effort"),
        *("response_format", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *_OWN,
        *FIELDS,
    }
)


def translate(body: Mapping[str, Any], recipient: Recipient) -> Translated:
    """InvalidField where leaving a field out would change what is asked for, rather than how well."""
    refuse_kept_elsewhere(body)
    if (body.get("n") or 1) > 1:
        raise invalid("n", "the provider of this model gives one choice; ask again for another")
    if "audio" in (body.get("modalities") or ()):
        raise invalid("modalities", "the provider of this model answers in text")
    dropped = Dropped()
    turns = Turns(body["messages"], dropped)
    tools, choice = choose(body, tools_of(body, dropped))
    said = {
        "model": body["model"],
        "system": turns.system,
        "messages": turns.turns,
        "tools": tools,
        "tool_choice": choice,
        "max_tokens": body.get("max_completion_tokens") or body.get("max_tokens"),
        "stream": body.get("stream"),
    }
    translated = {name: value for name, value in said.items() if value}
    translated |= _sampling(body, dropped)
    translated |= _caller(body, dropped)
    translated |= {name: body[name] for name in _OWN if body.get(name) is not None}
    for name in ("output_config", "cache_control"):
        if not isinstance(translated.get(name, {}), dict):
            raise invalid(name, "an object is needed")
    think(body, translated, recipient, dropped)
    sample(translated, recipient, dropped)
    _format(body, translated, dropped)
    for name in FIELDS:
        value = body.get(name)
        if value is not None and value not in SILENT.get(name, ()):
            dropped.note(name)
    dropped.note_unknown(body, _KNOWN, "")
    return Translated(translated, dropped.paths())


def _sampling(body: Mapping[str, Any], dropped: Dropped) -> dict[str, Any]:
    """Temperature and top_p are 1 in both formats unless told. Models that take one of them, or neither, refuse it
    also at 1: so it is not told.
    """
    sampling: dict[str, Any] = {}
    temperature, top_p, stop = body.get("temperature"), body.get("top_p"), body.get("stop")
    if temperature is not None and temperature < 1:
        sampling["temperature"] = temperature
    if temperature is not None and temperature > 1:
        dropped.note("temperature")
    if top_p is not None and top_p < 1:
        sampling["top_p"] = top_p
    sequences = [stop] if isinstance(stop, str) else stop or []
    if told := [sequence for sequence in sequences if sequence.strip()]:
        sampling["stop_sequences"] = told
    if len(told) < len(sequences):
        dropped.note("stop")
    return sampling


def _caller(body: Mapping[str, Any], dropped: Dropped) -> dict[str, Any]:
    caller: dict[str, Any] = {}
    user, safety = body.get("user"), body.get("safety_identifier")
    if user or safety:
        caller["metadata"] = {"user_id": safety or user}
    if user and safety and user != safety:
        dropped.note("user")
    tier = body.get("service_tier")
    if tier in ("auto", "default"):
        caller["service_tier"] = "auto" if tier == "auto" else "standard_only"
    elif tier is not None:
        dropped.note("service_tier")
    return caller


def _format(body: Mapping[str, Any], translated: dict[str, Any], dropped: Dropped) -> None:
    """A schema's name and description go into it, where the model reads them."""
    format = body.get("response_format")
    kind = format.get("type") if isinstance(format, dict) else None
    if format is None or kind == "text":
        return
    if kind == "json_object":
        dropped.note("response_format")
        return
    if kind != "json_schema":
        raise invalid("response_format.type", "the provider of this model takes text, json_object and json_schema")
    told = format.get("json_schema")
    schema = told.get("schema") if isinstance(told, dict) else None
    if not isinstance(schema, dict):
        raise invalid("response_format.json_schema.schema", "a JSON schema is needed")
    names = {"title": told.get("name"), "description": told.get("description")}
    told_beside = {} if "$ref" in schema else {name: value for name, value in names.items() if value}
    named, less = enforceable({**told_beside, **schema})
    if less:
        dropped.note("response_format.json_schema.schema")
    config = translated.get("output_config", {})
    translated["output_config"] = {"format": {"type": "json_schema", "schema": named}, **config}
