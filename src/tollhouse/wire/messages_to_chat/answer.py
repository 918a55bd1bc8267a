"""What whole and streamed replies have in common: identity, text, the reason of the end, usage."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tollhouse.domain.usage import Usage
from tollhouse.wire.completion import as_objects
from tollhouse.wire.messages_to_chat.sealed import CONTENT, thought

_STOP_REASONS = {
    "length": "max_tokens",
    "content_filter": "refusal",
    "model_length": "model_context_window_exceeded",
    "model_context_window_exceeded": "model_context_window_exceeded",
}
_TIERS = {"default": "standard", "priority": "priority"}


def stem_of(document: Mapping[str, Any], request_id: str) -> str:
    """What the ids of a reply are made of: the host's own, else the request's."""
    given = document.get("id")
    text = given if isinstance(given, str) and given else request_id.removeprefix("req_")
    return text.removeprefix("chatcmpl-").removeprefix("msg_")


def pieces(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The text of a message or delta in order, by the kind of block that it belongs to.

    Thoughts are told by the field that they came by.
    """
    if found := thought(message):
        yield found
    content = message.get("content")
    if isinstance(content, str):
        if content:
            yield "text", content
    else:
        for part in as_objects(content):
            if isinstance(text := part.get("text"), str) and text:
                yield "text", text
            for inner in as_objects(part.get("thinking")):
                if isinstance(text := inner.get("text"), str) and text:
                    yield CONTENT, text
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        yield "refusal", refusal


def ending(choice: Mapping[str, Any], asked: Sequence[str], *, called: bool, refused: bool) -> dict[str, Any]:
    """Why the reply ended. `asked` are the stop sequences, of which hosts of vLLM and SGLang tell which it was.

    Whether tools are called is seen by the calls: hosts say "stop" after forced ones.
    """
    told = choice.get("finish_reason")
    stop_sequence = None
    if isinstance(told, str) and told in _STOP_REASONS:
        reason = _STOP_REASONS[told]
    elif refused:
        reason = "refusal"
    elif called:
        reason = "tool_use"
    else:
        reason = "end_turn"
        stopped_by = [choice.get("stop_reason"), choice.get("matched_stop")]
        if found := next((text for text in stopped_by if isinstance(text, str) and text in asked), None):
            reason, stop_sequence = "stop_sequence", found
    return {"stop_reason": reason, "stop_sequence": stop_sequence}


def usage_of(usage: Usage) -> dict[str, Any]:
    """Anthropic's usage, whose counts are disjoint too."""
    counts: dict[str, Any] = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts


def tier_of(document: Mapping[str, Any]) -> dict[str, str]:
    """The tier that served the call, where it is one that Anthropic has too."""
    told = document.get("service_tier")
    return {"service_tier": _TIERS[told]} if isinstance(told, str) and told in _TIERS else {}
