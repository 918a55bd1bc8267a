"""What a call needs of a model, and whether the catalogue says that a target has it."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.routes import Capability, Target
from tollhouse.wire import upstream_format

MOST_BYTES_A_TOKEN = 8
"""Prose has four bytes a token: what has more than twice that is too long by any count."""
_CANNOT: Mapping[Capability, str] = {
    "images": "cannot see images",
    "audio": "cannot hear sound",
    "tools": "cannot call tools",
    "schema": "cannot keep to a schema",
}


def why_not(call: Call, target: Target) -> str | None:
    """Why the call should not go to the target, as the end of a sentence about it; None where it can."""
    if (lacking := cannot(call, target)) is not None:
        return lacking
    if is_too_long(call, target):
        return f"has a window of {target.context_window} tokens, and the prompt has more"
    return None


def cannot(call: Call, target: Target) -> str | None:
    """What the target cannot do that the call asks for."""
    if upstream_format(call.format, target.formats) is None:
        return f"speaks {', '.join(sorted(target.formats)) or 'nothing that is known here'}"
    if target.lacks:
        for needed in sorted(needs(call) & target.lacks):
            return _CANNOT[needed]
    return None


def is_too_long(call: Call, target: Target) -> bool:
    """Whether the prompt has more tokens than the target's window, by any count."""
    facts = call.facts
    window = target.context_window
    return window is not None and facts.generates and least_tokens(facts) > window


def least_tokens(facts: Facts) -> int:
    """Fewer than any tokenizer makes of the call's text."""
    return (facts.size - facts.image_size) // MOST_BYTES_A_TOKEN


def needs(call: Call) -> frozenset[Capability]:
    """What not every model can do."""
    facts = call.facts
    needed: set[Capability] = set()
    if facts.images:
        needed.add("images")
    if facts.tools:
        needed.add("tools")
    if facts.media and _hears(call.body):
        needed.add("audio")
    if _asks_for_schema(call.body):
        needed.add("schema")
    return frozenset(needed)


def _hears(body: Mapping[str, Any]) -> bool:
    contents = [message.get("content") for message in body.get("messages") or () if isinstance(message, dict)]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return any(isinstance(part, dict) and part.get("type") == "input_audio" for part in parts)


def _asks_for_schema(body: Mapping[str, Any]) -> bool:
    """In OpenAI's chat, in Responses, or in Anthropic's messages, under its old name and its new one."""
    config = _object(body.get("output_config"))
    asked = (
        body.get("response_format"),
        _object(body.get("text")).get("format"),
        config.get("format"),
        body.get("output_format"),
    )
    return any(_object(one).get("type") == "json_schema" for one in asked)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
