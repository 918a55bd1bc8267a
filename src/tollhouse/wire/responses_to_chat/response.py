"""The Response object around what was said: its identity, the request's own fields, how it ended, usage."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.domain.usage import Usage
from tollhouse.wire.responses import conversation_id, response_id

_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields of a request, with what they are in a reply where they were not told."""
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_BASE_32 = str.maketrans("0123456789abcdefghjkmnpqrstvwxyz", "0123456789abcdefghijklmnopqrstuv")
"""From the digits of our ids to Python's."""
_TIME_DIGITS = 10


class ResponseObject:
    """One reply, at any moment of its life. `stem` is what all its ids are made of."""

    def __init__(self, call: Call) -> None:
        self.stem = call.request_id.removeprefix("req_")
        body = call.body
        text, reasoning = body.get("text") or {}, body.get("reasoning") or {}
        self._tier = _tier(body.get("service_tier"))
        self._fields: dict[str, Any] = {
            "id": response_id(call),
            "object": "response",
            "created_at": created_at(self.stem),
            "status": "in_progress",
            "background": bool(body.get("background")),
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "model": call.facts.model,
            **{name: default if body.get(name) is None else body[name] for name, default in _ECHOED.items()},
            "reasoning": {"effort": None, "summary": None, **reasoning},
            "text": {**text, "format": text.get("format") or {"type": "text"}},
        }
        if conversation := conversation_id(body):
            self._fields["conversation"] = {"id": conversation}

    def note(self, document: Mapping[str, Any]) -> None:
        """Take what a host's completion or chunk tells of the call itself."""
        self._tier = _tier(document.get("service_tier")) or self._tier

    def queued(self) -> dict[str, Any]:
        return self._told("queued", [])

    def begun(self) -> dict[str, Any]:
        return self._told("in_progress", [])

    def ended(self, output: Sequence[Mapping[str, Any]], usage: Usage | None, incomplete: str | None) -> dict[str, Any]:
        told = self._told("incomplete" if incomplete else "completed", output)
        return told | {"incomplete_details": {"reason": incomplete} if incomplete else None, "usage": _usage(usage)}

    def failed(self, output: Sequence[Mapping[str, Any]], usage: Usage | None, error: Any) -> dict[str, Any]:
        return self._told("failed", output) | {"error": error, "usage": _usage(usage)}

    def _told(self, status: str, output: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {**self._fields, "status": status, "output": output, "service_tier": self._tier, "usage": None}


def created_at(stem: str) -> int:
    """The Unix seconds that are in a gateway's id; 0 in others."""
    digits = stem[:_TIME_DIGITS].translate(_BASE_32)
    try:
        return int(digits, 32) // 1000 if len(digits) == _TIME_DIGITS else 0
    except ValueError:
        return 0


def _tier(told: Any) -> str | None:
    return told if isinstance(told, str) and told in _TIERS else None


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    """Here input tokens include the cached ones."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.output,
    }
