"""How far the writing of the ledger is behind, for those who watch it."""

import time

from tollhouse import metrics

LOOK_SECONDS = 1.0


class Lag:
    """Of one process. While each turn writes all settlements that there are, it is 0, however many come."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._look_at = 0.0

    def look(self, waiting: int, *, behind: bool) -> None:
        """After a turn: so much waits now, and `behind` says that there was more than could be written."""
        now = time.monotonic()
        if behind:
            self._since = self._since or now
        elif self._since is not None:
            self._since, self._look_at = None, 0.0
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            metrics.LEDGER_QUEUE_DEPTH.set(waiting)
            metrics.LEDGER_LAG_SECONDS.set(0 if self._since is None else now - self._since)

    def hangs(self, since: float) -> None:
        """A turn that began then has not ended."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            metrics.LEDGER_LAG_SECONDS.set(now - (self._since or since))
