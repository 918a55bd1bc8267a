"""What whole and streamed completions say alike: their head, reasons, usage, citations, thoughts."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire import json_text
from tollhouse.wire.vocabulary import anthropic_usage

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
_TIERS = {"standard": "default", "priority": "priority"}


def head(call: Call, created: int, message: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The fields before the choices. The model is the one that the client asked for."""
    given = message.get("id")
    identity = given if isinstance(given, str) and given else call.request_id
    for prefix in ("msg_", "req_", "chatcmpl-"):
        identity = identity.removeprefix(prefix)
    told: dict[str, Any] = {
        "id": f"chatcmpl-{identity}",
        "object": kind,
        "created": created,
        "model": call.facts.model,
        "system_fingerprint": None,
    }
    usage = message.get("usage")
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    if isinstance(tier, str) and tier in _TIERS:
        told["service_tier"] = _TIERS[tier]
    return told


def finish_reason(stop_reason: Any, *, calls: int, legacy: bool) -> str:
    """A reason that nobody here knows, or none, is that of what came: calls, or text that stopped."""
    default = "tool_use" if calls else "end_turn"
    reason = _FINISH_REASONS.get(stop_reason if isinstance(stop_reason, str) else default, _FINISH_REASONS[default])
    return "function_call" if legacy and reason == "tool_calls" else reason


def usage_of(usage: Any) -> dict[str, Any]:
    """OpenAI's prompt tokens include those read from and written to the cache."""
    counts = anthropic_usage(usage if isinstance(usage, dict) else {})
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.output,
        "total_tokens": counts.prompt + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cache_read, "cache_write_tokens": counts.cache_write},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def annotation(citation: Any, start: int, end: int) -> dict[str, Any] | None:
    """A citation of a web page, of the characters from `start` to `end` of the content; None for others."""
    if not isinstance(citation, dict):
        return None
    url = citation.get("url") or citation.get("source")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None
    cited = {"start_index": start, "end_index": end, "title": text(citation, "title"), "url": url}
    return {"type": "url_citation", "url_citation": cited}


def signed(block: Mapping[str, Any]) -> dict[str, Any]:
    """A thought with what proves it, as it must come back."""
    if block.get("type") == "redacted_thinking":
        return {"type": "redacted_thinking", "data": text(block, "data")}
    return {"type": "thinking", "thinking": text(block, "thinking"), "signature": text(block, "signature")}


def explanation(details: Any) -> str | None:
    """Why the host refused, where it says."""
    told = details.get("explanation") if isinstance(details, dict) else None
    return told if isinstance(told, str) else None


def arguments(given: Any) -> str:
    """A tool's input as text: compact JSON of whatever it is."""
    try:
        return json_text.write({} if given is None else given).decode()
    except TypeError:  # the writer's, of what is deeper than it goes; the reader goes deeper
        return "<nested too deeply to be told>"


def text(block: Mapping[str, Any], name: str) -> str:
    value = block.get(name)
    return value if isinstance(value, str) else ""
