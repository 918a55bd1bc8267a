"""Words that formats share: token counts as vendors report them, and the counts of our own."""

import re
from collections.abc import Mapping
from typing import Any

from tollhouse.domain.usage import Usage

_MOST_TOKENS = 2**31 - 1


def count(value: Any) -> int:
    """A token count as an upstream sent it; nonsense is zero, for a meter never raises."""
    return min(value, _MOST_TOKENS) if type(value) is int and value > 0 else 0


def openai_usage(usage: Mapping[str, Any]) -> Usage:
    """OpenAI's prompt tokens include the cached ones; ours are disjoint.

    Some hosts (xAI, Gemini) leave the thoughts out of the completion's tokens, and some of these tell them by the
    total alone; none leaves them out of that.
    """
    prompt = count(usage.get("prompt_tokens"))
    read = min(prompt, _detail(usage, "prompt_tokens_details", "cached_tokens"))
    written = min(prompt - read, _detail(usage, "prompt_tokens_details", "cache_write_tokens"))
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    completion = count(usage.get("completion_tokens"))
    untold = count(usage.get("total_tokens")) - prompt - completion
    if untold > 0 and reasoning in (0, untold):
        completion, reasoning = completion + untold, untold
    return Usage(
        input=prompt - read - written,
        cache_read=read,
        cache_write=written,
        output=completion,
        reasoning=min(reasoning, completion),
    )


def anthropic_usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic's input tokens exclude the cached ones already."""
    return Usage(
        input=count(usage.get("input_tokens")),
        cache_read=count(usage.get("cache_read_input_tokens")),
        cache_write=count(usage.get("cache_creation_input_tokens")),
        output=count(usage.get("output_tokens")),
        reasoning=min(count(usage.get("output_tokens")), _detail(usage, "output_tokens_details", "thinking_tokens")),
    )


def media_tokens(document: Mapping[str, Any]) -> Usage | None:
    """The tokens of images and of sound, as OpenAI and its like tell them beside what they made; None where they
    tell none. https://platform.openai.com/docs/api-reference/images/object
    """
    usage = document.get("usage")
    if not isinstance(usage, dict):
        return None
    into = count(usage.get("input_tokens")) or count(usage.get("prompt_tokens"))
    out = count(usage.get("output_tokens")) or count(usage.get("completion_tokens"))
    read = min(into, _detail(usage, "input_tokens_details", "cached_tokens"))
    return Usage(input=into - read, cache_read=read, output=out) if into or out else None


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int:
    details = usage.get(group)
    return count(details.get(name)) if isinstance(details, dict) else 0


OUTPUT_TEXT = re.compile(
    rb'"(?:content|text|refusal|reasoning_content|reasoning|thinking|arguments|partial_json)"\s*:\s*'
    rb'"((?:[^"\\]++|\\.)++)'
)
"""A piece of output in an event, found without parsing it. Text cannot imitate it: its quotes are escaped."""

BYTES_PER_TOKEN = 4
"""What an estimate takes a token of output to be, where events do not stand for tokens."""
LONGEST_TOKENS = 8
"""Bytes that a token has on average at most, in any language."""


def streamed_tokens(events: int, size: int) -> int:
    """The output of so many events with so many bytes of text, of which nobody has told the usage: one token each, as
    most hosts stream, unless they are so long that each must have several.
    """
    return events if size <= LONGEST_TOKENS * events else size // BYTES_PER_TOKEN


NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")
"""A character that no image or document of either vendor may have. To look through ten megabytes takes milliseconds."""
