"""What a chat host cannot be told of a Responses request, and a Responses client of a chat reply."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from tollhouse.wire.pair import Loss

FIELDS: Mapping[str, str] = {
    "access_programs": "Chat has no such programs.",
    "context_management": "Chat has no compaction by the host: the context is sent whole.",
    "image": "Chat hosts compress images by rules of their own.",
    "moderation": "Chat replies have no place for the results in this format.",
}
"""Fields of the request itself that are always lost, and why."""

WHERE_REFUSED = (
    *("logit_bias", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    *("reasoning.effort", "safety_identifier", "seed", "service_tier", "stop", "text.format", "text.verbosity"),
    *("top_logprobs", "user"),
)
"""Fields that chat has, and not every host of it."""

LOSSES: tuple[Loss, ...] = (
    *(Loss(field, why) for field, why in FIELDS.items()),
    Loss("input[]", "What a provider's own tool did in an earlier turn, and its results: chat has no words for it."),
    Loss("include", "The probabilities of tokens, where the host tells none."),
    Loss(
        "input[].cache_control", "Marks anywhere, where the host has none; OpenAI's newer models take them as its own."
    ),
    Loss("input[].content[].annotations", "Chat hosts read no citations of earlier replies."),
    Loss("input[].content[].detail", "Of files: chat has a detail for images alone."),
    Loss(
        "input[].encrypted_content",
        "Another host's encrypted thoughts. Those of the same model behind this gateway are carried back.",
    ),
    Loss(
        "input[].content",
        "The text of thoughts that were not had behind this gateway: hosts take back none but their own.",
    ),
    Loss("input[].phase", "Chat does not tell commentary from a final answer."),
    Loss("input[].summary", "A summary of thoughts, where the thoughts themselves cannot be sent."),
    *(Loss(field, "Where the host has no such field.") for field in WHERE_REFUSED),
    Loss("reasoning.context", "Chat hosts decide themselves which earlier thoughts are read."),
    Loss("reasoning.mode", "Chat has no modes of reasoning other than the standard one."),
    Loss("reasoning.summary", "Chat hosts show the thoughts that they show, as text rather than as a summary."),
    Loss("stream_options.include_obfuscation", "Streams are not padded."),
    Loss("tools[].allowed_callers", "Chat's tools are called by the model alone."),
    Loss("tools[].async", "Chat has no calls that go on in the background."),
    Loss("tools[].defer_loading", "Chat's tools are all loaded at once."),
    Loss("tools[].output_schema", "Chat's tools do not say what comes out."),
    Loss("truncation", "Chat hosts drop no input: what is too long is refused."),
    Loss("*", "A field that is not of the format, anywhere. Named as it was sent, if its name is plain."),
    Loss("reply: choices[].message.annotations", "Where tools were called between a text and its citations."),
    Loss("reply: completed_at", "No clock is read; it is null."),
)

MOST_PATHS = 40
"""Beyond these, fields that nobody knows are no longer told one by one."""

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_TABLE = frozenset(loss.field for loss in LOSSES)


def says_nothing(value: Any) -> bool:
    """Whether a field of this value might as well not be there."""
    return value is None or value is False or value in ("", [], {})


class Dropped:
    """The paths of what one request loses, each once, in the order in which they were met."""

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self._paths)

    def note(self, path: str) -> None:
        self._paths[path] = None

    def note_others(self, given: Mapping[str, Any], known: Collection[str], prefix: str = "") -> None:
        """Whatever is said under names that are not `known`: they may be the caller's own, and end in a header."""
        for name, value in given.items():
            if name in known or says_nothing(value):
                continue
            path = prefix + name
            plain = _PLAIN.match(name) and len(self._paths) < MOST_PATHS
            self.note(path if plain or path in _TABLE else "*")
