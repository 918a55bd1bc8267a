"""Ends waits for hosts that last too long."""

from time import monotonic
from typing import Any

import gevent
from gevent import getcurrent

LOOK_SECONDS = 0.05
"""How late a deadline may be noticed."""


class DeadlineWatch:
    """For the greenlets of one thread. A timer of its own for each wait took a sixth of the time of a stream."""

    def __init__(self) -> None:
        self._waits: dict[Any, float] = {}
        # Without a reference the loop does not stay alive for it.
        self._timer = gevent.get_hub().loop.timer(LOOK_SECONDS, LOOK_SECONDS, ref=False)
        self._looks = False

    def begin(self, until: float) -> None:
        """From here to `end`, where the running greenlet waits past `until`, TimeoutError is raised in it."""
        self._waits[getcurrent()] = until
        if not self._looks:
            self._looks = True
            self._timer.start(self._look)

    def end(self) -> None:
        del self._waits[getcurrent()]

    def _look(self) -> None:
        """Runs in the hub: whoever waits has been switched away from, and can be thrown into."""
        if not self._waits:
            self._looks = False
            self._timer.stop()
            return
        now = monotonic()
        for greenlet in [greenlet for greenlet, until in self._waits.items() if until <= now]:
            if greenlet in self._waits:
                greenlet.throw(TimeoutError)
