"""Lets those who always have something to do go on one at a time, so that all others are served in between."""

from collections import deque
from typing import Any

import gevent
from gevent.hub import Waiter


class Turnstile:
    """For the greenlets of one process. Each round of the loop lets one through, in the order in which they came.

    `gevent.sleep(0)` lets all of them through in each round: what needs ten rounds, such as a transaction, then
    waits ten times for all. An idle watcher would let nobody through while there is other work.
    """

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._timer: Any = None

    def wait_for_turn(self) -> None:
        """Let the loop go round at least once."""
        waiter: Any = Waiter()
        self._waiting.append(waiter)
        if len(self._waiting) == 1:
            self._go_round()
        waiter.get()

    def _go_round(self) -> None:
        if self._timer is None:
            self._timer = gevent.get_hub().loop.timer(0.0)
        self._timer.start(self._let_one_through)

    def _let_one_through(self) -> None:
        waiter = self._waiting.popleft()
        self._timer.stop()
        if self._waiting:
            self._go_round()
        waiter.switch(None)
