"""How much the model is to think."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire.messages_to_chat.fields import as_object, refuse
from tollhouse.wire.messages_to_chat.losses import Dropped

_BUDGETS = ((4096, "low"), (16384, "medium"))
"""A budget below so many tokens is this effort, and a larger one is high. Anthropic's least budget is 1,024; its
documentation advises 16,000 and more for complex tasks.
"""


def effort_of(body: Mapping[str, Any], dropped: Dropped) -> str | None:
    """Chat's `reasoning_effort`. The effort that the caller names is chat's own word; else the budget stands for one.

    Adaptive thinking without an effort is left to the host, whose model then decides by itself too.
    """
    output_config = as_object(body.get("output_config") or {}, "output_config")
    effort = output_config.get("effort")
    if effort is not None and not isinstance(effort, str):
        raise refuse("output_config.effort", "a text is required")
    thinking = as_object(body.get("thinking") or {}, "thinking")
    dropped.add_present(thinking, "display", "thinking.display")
    kind = thinking.get("type")
    if kind == "disabled":
        dropped.add("thinking.type")
        dropped.add_present(output_config, "effort", "output_config.effort")
        return None
    if kind not in (None, "enabled", "adaptive"):
        dropped.add("thinking.type")
    if effort:
        return effort
    if kind != "enabled":
        return None
    budget = thinking.get("budget_tokens")
    if type(budget) is not int or budget < 1:
        raise refuse("thinking.budget_tokens", "a number of tokens is required")
    return next((word for limit, word in _BUDGETS if budget < limit), "high")
