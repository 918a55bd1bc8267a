"""Which attempt of a call is next, and after what pause. Pure but for the dice."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tollhouse.domain.errors import UpstreamError
from tollhouse.domain.retries import again
from tollhouse.domain.values import value
from tollhouse.services.calls.translation import Choice

LONGEST_PAUSE = 10.0
"""Seconds that a provider may ask for, and is waited for; who asks for more is not tried again."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries` are attempts at deployments that have failed the call before; `seconds` is how long after its beginning
    a call may be sent anew; the pause before the n-th retry is anything up to `pause` doubled n - 1 times.
    """

    retries: int = 0
    seconds: float = 60.0
    pause: float = 0.5


NO_RETRIES = RetryPolicy()


@value
class Try:
    choice: Choice
    pause: float
    """Seconds to wait before it."""


class Tries:
    """All that are able once, in their order; then those that may succeed yet, each after its pause."""

    def __init__(self, choices: Sequence[Choice], policy: RetryPolicy, *, began: float) -> None:
        self._fresh = deque(choices)
        self._later: list[tuple[float, Choice]] = []
        self._policy = policy
        self._by = began + policy.seconds
        self._left = policy.retries
        self._rounds = 0

    @property
    def are_over(self) -> bool:
        """Whether the attempt that was given out last is the last in any case."""
        return not self._fresh and not self._left

    def give_up_retries(self) -> None:
        """Each deployment is asked once."""
        self._left = 0
        self._later.clear()

    def next(self, now: float) -> Try | None:
        """None where none is left, or none in time."""
        if now >= self._by and self._rounds:
            return None
        if self._fresh:
            self._rounds = max(self._rounds, 1)
            return Try(self._fresh.popleft(), 0.0)
        if not self._later or not self._left:
            return None
        soonest = min(self._later, key=lambda one: one[0])
        if soonest[0] >= self._by:
            return None
        self._later.remove(soonest)
        self._left -= 1
        self._rounds += 1
        return Try(soonest[1], max(0.0, soonest[0] - now))

    def again(self, choice: Choice) -> None:
        """What it was last given is to be tried next, at once: another key of its provider may do."""
        self._fresh.appendleft(choice)

    def failed(self, choice: Choice, error: UpstreamError, now: float) -> None:
        """What it was last given came to this."""
        where = again(error)
        if not where.elsewhere:
            self._fresh.clear()
            self._later.clear()
        elif where.here:
            pause = error.retry_after
            if pause is None:
                # Full jitter: callers that failed together do not come back together.
                longest = min(LONGEST_PAUSE, self._policy.pause * 2 ** max(0, self._rounds - 1))
                pause = random.uniform(0, longest)  # noqa: S311 - no secret
            if pause <= LONGEST_PAUSE:
                self._later.append((now + pause, choice))
