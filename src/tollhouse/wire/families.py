"""What families of models take otherwise than others: quirks, as data, by the name that a host gives its model.

Of Claude how it thinks and samples:
https://platform.claude.com/docs/en/build-with-claude/thinking and .../effort, and each model's page of what is new.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

_UP_TO_HIGH = ("low", "medium", "high")
_ALL = (*_UP_TO_HIGH, "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Family:
    """`thinking` is the type that turns it on, "" for models that do not think; `rest` the one that turns it off, ""
    where nothing does. `unasked`: it thinks also when nothing is said of it. `sampling` is how many of temperature and
    top_p it takes at once, and with 0 it takes no top_k either. `forced`: whether it can be told to call a tool.
    """

    thinking: Literal["adaptive", "enabled", ""] = "adaptive"
    rest: Literal["disabled", "between_tools", ""] = "disabled"
    unasked: bool = False
    efforts: tuple[str, ...] = _ALL
    sampling: int = 0
    forced: bool = True


UNKNOWN = Family(sampling=2)
"""A model that is no Claude, behind a host that speaks Messages."""

_NEW = ("fable", "mythos")
"""Tiers that have always been of one kind; of the others a name without a version tells nothing."""

_ROWS: tuple[tuple[tuple[str, ...], tuple[int, int], Family], ...] = (
    (_NEW, (5, 1), Family(rest="", unasked=True, forced=False)),
    (_NEW, (0, 0), Family(rest="", unasked=True)),
    (("opus",), (5, 5), Family(rest="", unasked=True, forced=False)),
    (("sonnet",), (5, 5), Family(rest="between_tools", unasked=True, forced=False)),
    ((), (5, 0), Family(unasked=True)),
    (("opus",), (4, 7), Family()),
    ((), (4, 6), Family(efforts=(*_UP_TO_HIGH, "max"), sampling=1)),
    (("opus",), (4, 5), Family(thinking="enabled", efforts=_UP_TO_HIGH, sampling=1)),
    (("opus",), (4, 1), Family(thinking="enabled", efforts=(), sampling=1)),
    (("sonnet", "haiku"), (4, 5), Family(thinking="enabled", efforts=(), sampling=1)),
    ((), (3, 7), Family(thinking="enabled", efforts=(), sampling=2)),
    ((), (0, 0), Family(thinking="", efforts=(), sampling=2)),
)
"""(tiers, all where there are none; from this version on; what it takes). The first that fits counts."""

_TIER = re.compile(r"opus|sonnet|haiku|fable|mythos|instant")
_VERSION = re.compile(r"(?<![0-9.])([0-9]{1,2})(?:[-.]([0-9]{1,2})(?![0-9]))?(?![0-9])")


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """By names as `claude-opus-4-5-20251101`, `us.anthropic.claude-sonnet-4-6-v1:0`, `anthropic/claude-opus-4.7`."""
    name = model.lower()
    start = name.rfind("claude")
    if start < 0:
        return UNKNOWN
    name = name[start:]
    tier, version = _TIER.search(name), _VERSION.search(name)
    of = tier[0] if tier else ""
    if version is None and of not in _NEW:
        return UNKNOWN
    since = (int(version[1]), int(version[2] or 0)) if version else (0, 0)
    return next(family for tiers, least, family in _ROWS if (not tiers or of in tiers) and since >= least)


_GPT = re.compile(r"(?:^|/)gpt-([0-9]{1,2})(?:\.([0-9]{1,2}))?(?![0-9.])")
_FIRST_WITH_BREAKPOINTS = (5, 6)
"""https://developers.openai.com/api/docs/guides/prompt-caching"""


def takes_breakpoints(model: str) -> bool:
    """Whether a model of OpenAI's takes marks of what is to be cached."""
    version = _GPT.search(model.lower())
    return version is not None and (int(version[1]), int(version[2] or 0)) >= _FIRST_WITH_BREAKPOINTS
