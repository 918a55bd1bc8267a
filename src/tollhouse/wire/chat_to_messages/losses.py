"""What a Chat Completions request can say and a Messages request cannot, and how a request's own losses are noted."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from tollhouse.wire.pair import Loss

FIELDS: Mapping[str, str] = {
    "audio": "Messages answers in text.",
    "frequency_penalty": "Messages has no penalties.",
    "logit_bias": "Messages has no bias, and its token ids are not public.",
    "logprobs": "Messages tells no probabilities.",
    "metadata": "Messages stores no completions that it could label; its own `metadata` has the user's id only.",
    "moderation": "Messages moderates nothing on request.",
    "prediction": "Messages has no predicted outputs.",
    "presence_penalty": "Messages has no penalties.",
    "prompt_cache_key": "Messages caches by prefix alone.",
    "prompt_cache_options": "Messages caches up to its marks alone; marks on messages, parts and tools are kept.",
    "prompt_cache_retention": "A mark of Messages says how long, each for itself.",
    "seed": "Messages samples without one.",
    "store": "Messages stores no completions.",
    "top_logprobs": "Messages tells no probabilities.",
    "verbosity": "Messages has no such setting.",
    "web_search_options": "A search of Messages is a tool of its own, with other results.",
}
"""Fields of the request itself that are always lost, and why."""

SILENT: Mapping[str, Collection[Any]] = {
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "presence_penalty": (0,),
    "store": (False,),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
}
"""Values that ask for what happens anyway: they are left out, and nothing is lost."""

LOSSES: tuple[Loss, ...] = (
    *(Loss(field, why) for field, why in FIELDS.items()),
    Loss("messages[].content[].image_url.detail", "Messages chooses an image's resolution by itself."),
    Loss("messages[].content[].prompt_cache_breakpoint.ttl", "The mark is kept, with the host's own time to live."),
    Loss("messages[].name", "Messages knows no names of participants."),
    Loss("messages[].reasoning_content", "Thoughts go back signed, in `thinking_blocks`, or not at all."),
    Loss(
        "messages[].role",
        "A system message after the first turn joins those at the front, in their order, which is where every model "
        "takes them. Where there is nothing else, they are sent as the user's.",
    ),
    Loss(
        "messages[].tool_calls[].function.arguments",
        "Messages has objects alone: what is no JSON object is sent whole, as the text of the one key `INVALID_JSON`.",
    ),
    Loss("messages[].thinking_blocks", "A thought without its signature is refused by every host."),
    Loss(
        "reasoning_effort",
        "`minimal` is sent as `low`, and what a model has not as the next that it has; a forced tool call is made "
        "without thinking; older models think by a share of the output cap, and not where that leaves less than 1,024 "
        "tokens; some can think and cannot be told not to, and some cannot think.",
    ),
    Loss("response_format", "Messages has no JSON mode without a schema. The prompt, which must ask for JSON, does."),
    Loss(
        "response_format.json_schema.schema",
        "Messages enforces no bounds of numbers and sizes, few formats, and no open objects: the bounds are told in "
        "descriptions, and objects are closed.",
    ),
    Loss("service_tier", "Messages has `auto` and `default` (`standard_only`), no others."),
    Loss("stop", "Messages takes no stop sequence that is blank."),
    Loss(
        "temperature",
        "Messages goes up to 1, and higher values are sent as that. A model that thinks takes none, and Claude takes "
        "none from Opus 4.7 and version 5 on.",
    ),
    Loss("thinking", "The format's own field, where a tool call is forced: that is made without thinking."),
    Loss("tool_choice", "The newest models cannot be forced to call a tool: `auto` is sent."),
    Loss("top_k", "The format's own field: a model that thinks takes none, nor do those that take no temperature."),
    Loss(
        "top_p",
        "A model that thinks takes it from 0.95 on; those that take no temperature take none; and from Claude 4.1 on "
        "it is not taken beside a temperature.",
    ),
    Loss("tools[].function.parameters", "The same as in a response's schema, where the function is strict."),
    Loss("user", "Messages takes one user's id, and `safety_identifier` goes first."),
    Loss("*", "A field that is not of the format, anywhere. Named as it was sent, if its name is plain."),
    Loss("reply: content[].citations", "Citations of web pages become annotations; those of documents have no place."),
    Loss("reply: content[]", "Blocks of the host's own tools are left out."),
    Loss("reply: stop_sequence", "A completion does not say which sequence stopped it."),
)

MOST_PATHS = 40
"""Beyond these, fields that nobody knows are no longer told one by one."""

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def says_nothing(value: Any) -> bool:
    """Whether a field of this value might as well not be there."""
    return value is None or value in ("", [], {})


class Dropped:
    """The paths of what one request loses, each once, in the order in which they were met."""

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}

    def note(self, path: str) -> None:
        self._paths[path] = None

    def note_unknown(self, given: Mapping[str, Any], known: Collection[str], prefix: str) -> None:
        """Note what is said under names that nobody here knows. They are the caller's, and end in a header."""
        for name, value in given.items():
            if name not in known and not says_nothing(value):
                told = _PLAIN.fullmatch(name) and len(self._paths) < MOST_PATHS
                self.note(prefix + name if told else "*")

    def paths(self) -> tuple[str, ...]:
        return tuple(self._paths)
