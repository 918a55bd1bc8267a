"""What a chat host cannot be told of a Messages request."""

import re
from collections.abc import Mapping
from typing import Any

from tollhouse.wire.pair import Loss

ANY_OTHER = "*"

LOSSES = (
    Loss("cache_control", "Marks anywhere, where the host has none; OpenAI's newer models take them as its own."),
    Loss("compaction", "Chat has no compaction by the host: the context is sent whole."),
    Loss("context_management", "Chat has no editing of the context by the host: the context is sent whole."),
    Loss("diagnostics", "Chat hosts report nothing of the kind."),
    Loss("fallback_credit_token", "Chat hosts give no such credit."),
    Loss("fallbacks", "Chat hosts do not go on with other models: routes and fallbacks of this gateway do."),
    Loss("messages[-1].role", "A last turn of the assistant is not continued: chat hosts begin a new turn after it."),
    Loss("messages[].content[].citations", "Chat has no citations: documents are sent, and none is cited by place."),
    Loss(
        "messages[].content[].redacted_thinking",
        "Another host's encrypted thoughts. Those of the same model behind this gateway are carried back.",
    ),
    Loss(
        "messages[].content[].server_tool_use",
        "What a provider's own tool did in an earlier turn, with its results: chat has no words for it.",
    ),
    Loss(
        "messages[].content[].thinking",
        "Another host's thoughts, whose signature only that host can check. Those of the same model behind this "
        "gateway are carried back under the name that they came by.",
    ),
    Loss("messages[].content[].is_error", "Chat has no word for it: the result begins with a text that says so."),
    Loss("messages[].content[].transformations", "Chat hosts scale images by rules of their own."),
    Loss("metadata", "Of the metadata, `user_id` is carried, as `user`, where the host has that."),
    Loss(
        "output_config.effort",
        "The effort is left out where thinking is turned off, for chat has one word for both, and where the host has "
        "no such field.",
    ),
    Loss("output_config.format", "Where the host has no structured output."),
    Loss("output_config.task_budget", "Chat hosts know a cap of the output, and no budget."),
    Loss("service_tier", "Where the host has no tiers."),
    Loss("speed", "Chat hosts have no faster mode that is asked for by this word."),
    Loss("stop_sequences", "Where the host has none."),
    Loss("thinking.budget_tokens", "A budget is told as an effort, and not where the host has no such field."),
    Loss("thinking.display", "Chat hosts show the thoughts that they show."),
    Loss(
        "thinking.type",
        "Where it is disabled or between tools: hosts have no common words for these, and refuse those that they do "
        "not know.",
    ),
    Loss("tool_choice.disable_parallel_tool_use", "Where the host has no such field."),
    Loss("tools[].allowed_callers", "Chat's tools are called by the model alone."),
    Loss("tools[].defer_loading", "Chat's tools are all loaded at once."),
    Loss("tools[].input_examples", "Chat's tools have no examples."),
    Loss("tools[].strict", "Where a schema has optional or open properties: chat's strict mode refuses those."),
    Loss("top_k", "The format has no such field, and strict hosts refuse those that it has not."),
    Loss("user_profile_id", "Chat hosts keep no profiles of users."),
    Loss("workspace_id", "Chat hosts have no workspaces of this vendor's."),
    Loss(
        "reply: content[].input",
        "Arguments that are no JSON object are given whole, as the text of the one key `INVALID_JSON`, and given back "
        "so. Of a stream nobody knows it before its headers, so `x-tollhouse-dropped` does not tell.",
    ),
    Loss(
        "reply: content[]",
        "Thoughts are told where `thinking` is `enabled` or `adaptive`. Elsewhere only a reply that calls tools has a "
        "`redacted_thinking` block, before its calls, where its host gave any: several hosts refuse the next turn "
        "without what is in it.",
    ),
    Loss(ANY_OTHER, "A field of the body that is not named in this format's documentation; its own name is told."),
)

_TELLABLE = re.compile(r"[A-Za-z0-9_]{1,60}\Z")


class Dropped:
    """Gathers what one request lost."""

    def __init__(self) -> None:
        self._fields: dict[str, None] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self._fields)

    def add(self, field: str) -> None:
        self._fields[field] = None

    def add_unknown(self, name: str) -> None:
        """By its own name, where that can stand in a header."""
        self.add(name if _TELLABLE.match(name) else ANY_OTHER)

    def add_present(self, holder: Mapping[str, Any], name: str, field: str) -> None:
        """`field`, where `holder` says anything under `name`."""
        if holder.get(name):
            self.add(field)
