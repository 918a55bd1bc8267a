"""Limits: how many requests and tokens a minute, and how many open calls at once, a scope may have."""

from dataclasses import dataclass, field
from typing import Literal

from tollhouse.domain.principal import Scope
from tollhouse.domain.values import value

WINDOW_MS = 60_000
"""A minute that slides: what counts is the last sixty seconds, whenever they are looked at."""
TICK_MS = 10
"""What is taken in one tick leaves the window together, when the last of it may: never early."""

Kind = Literal["requests", "tokens", "concurrency"]


@dataclass(frozen=True, slots=True)
class Limit:
    """What one scope may have; None where there is no limit of that kind."""

    id: str
    scope: Scope
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    name: str = field(init=False, compare=False)
    """Where the scope's windows are: they stay when the limit changes."""
    slides: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # Once, and not for each call.
        object.__setattr__(self, "name", f"{self.scope[0]}:{self.scope[1]}")
        object.__setattr__(self, "slides", self.rpm is not None or self.tpm is not None)


@value
class LimitOrder:
    """One call that wants in, under all of `limits` or not at all.

    `most` tokens are charged where there is room for them; with less room than `least` the call is refused. The two
    are one where the call is bounded; a call of which nobody can say how much it will answer takes what is there.
    """

    id: str
    limits: tuple[Limit, ...]
    least: int = 0
    most: int = 0

    @property
    def takes_place(self) -> bool:
        """Whether it counts among open calls."""
        return any(limit.concurrency is not None for limit in self.limits)


@value
class Level:
    """What is left of a limit, and in how many milliseconds all of it will be there again if nothing more is taken."""

    limit: int
    remaining: int
    reset_ms: int


@value
class Standing:
    """What callers are told: of the limits of each kind, the one of which least is left."""

    requests: Level | None = None
    tokens: Level | None = None


@value
class Taken:
    """A call that is in, charged with `tokens`. Whoever has it settles it or gives it back, once.

    `tick` and `local_tick` say when, by the clock of whoever shares the limits between processes and by this
    process's own; `tick` is None where only this process knows of the call.
    """

    order: LimitOrder
    standing: Standing
    tokens: int
    tick: int | None
    local_tick: int


@value
class Refusal:
    """A call that is not in, and took nothing of any limit. `limit` is the one that lets it in last, `retry_ms` when
    that is if nobody else takes the room, None for never: the call is larger than the limit.
    """

    limit: Limit
    kind: Kind
    retry_ms: int | None
    standing: Standing


Verdict = Taken | Refusal
