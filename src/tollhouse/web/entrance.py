"""How many calls a process begins in one round of its loop: the rest of them wait, and everybody else is served."""

from collections import deque
from typing import Any

import gevent
from gevent.hub import Waiter

MOST_A_ROUND = 16
"""Some ten milliseconds of work. Whatever is not a call, such as `/healthz`, waits for no more than that."""


class Entrance:
    """For the greenlets of one process, in the order in which they came. Where few come at once nobody waits."""

    def __init__(self, most: int = MOST_A_ROUND) -> None:
        self._most = most
        self._loop = gevent.get_hub().loop
        self._round = -1
        self._let_in = 0
        self._waiting: deque[Any] = deque()
        self._timer: Any = None

    @property
    def waiting(self) -> int:
        """How many calls stand here."""
        return len(self._waiting)

    def enter(self) -> None:
        """Begin, now or in a later round."""
        if not self._waiting:
            if (iteration := self._loop.iteration) != self._round:
                self._round, self._let_in = iteration, 0
            if self._let_in < self._most:
                self._let_in += 1
                return
        waiter: Any = Waiter()
        self._waiting.append(waiter)
        if len(self._waiting) == 1:
            self._go_round()
        waiter.get()

    def _go_round(self) -> None:
        if self._timer is None:
            self._timer = self._loop.timer(0.0)
        self._timer.start(self._let_some_in)

    def _let_some_in(self) -> None:
        self._timer.stop()
        self._round, self._let_in = self._loop.iteration, self._most
        some = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        if self._waiting:
            self._go_round()
        for waiter in some:
            waiter.switch(None)
