"""How fast a batch goes: as many calls at once as its limits and its providers bear, shared fairly between teams."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

FIRST_WINDOW = 8.0
LONGEST_WAIT = 60.0
"""Seconds that a batch waits for those who do not say for how long, at most."""


class Pace:
    """Of one batch in one process: begins slowly, doubles until it is told that it is too much, and gropes from there.

    Times are monotonic seconds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._window = min(FIRST_WINDOW, most)
        self._ceiling = inf
        self._misses = 0
        self._cut_at = -inf
        self.resumes_at = -inf

    def room(self, under_way: int, now: float) -> int:
        """How many more calls may be under way."""
        return max(0, int(self._window) - under_way) if now >= self.resumes_at else 0

    def went(self) -> None:
        """A call was answered."""
        self._misses = 0
        self._window = min(self._most, self._window + (1 if self._window < self._ceiling else 1 / self._window))

    def slow_down(self, began: float, now: float, seconds: float | None) -> float:
        """A call that began then was too much: wait, as long as was said, or twice as long as the last time. Of calls
        that were under way together only the first counts. How many seconds that is from now.
        """
        if began > self._cut_at:
            self._misses += 1
            self._window = self._ceiling = max(1.0, self._window / 2)
            self._cut_at = now
        wait = min(LONGEST_WAIT, 0.5 * 2**self._misses) if seconds is None else seconds
        self.resumes_at = max(self.resumes_at, now + wait)
        return self.resumes_at - now


@dataclass(frozen=True, slots=True)
class Wish:
    """A batch that could have more calls under way."""

    batch_id: str
    team_id: str
    room: int


def shares(free: int, wishes: Sequence[Wish], under_way: Mapping[str, int]) -> Counter[str]:
    """How many of the free places each batch gets: each goes to the team that has the fewest, and in it to the batch
    that has, the older first. `wishes` are oldest first, `under_way` by batch.
    """
    got: Counter[str] = Counter()
    of_team: Counter[str] = Counter()
    for wish in wishes:
        of_team[wish.team_id] += under_way.get(wish.batch_id, 0)
    for _ in range(free):
        open_ones = [wish for wish in wishes if got[wish.batch_id] < wish.room]
        if not open_ones:
            break
        wish = min(open_ones, key=lambda w: (of_team[w.team_id], under_way.get(w.batch_id, 0) + got[w.batch_id]))
        got[wish.batch_id] += 1
        of_team[wish.team_id] += 1
    return got
