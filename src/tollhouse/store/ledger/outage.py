"""Whether the ledger's database takes what it is given, and when it is tried again."""

import time

from tollhouse import logs, metrics

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between two attempts to reach a database that is away."""


class Outage:
    """One log line when it begins and one when it is over, and a metric in between. `waiting` counts settlements."""

    def __init__(self, process: str) -> None:
        self.lasts = False
        """Whether the last transaction failed for want of the database."""
        self._up = metrics.LEDGER_UP.labels(process)
        self._up.set(1)
        self._told = False
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0

    @property
    def retry_in(self) -> float:
        """Seconds until it is tried again; 0 when it is time."""
        return max(0.0, self._retry_at - time.monotonic())

    def met(self, error: Exception, waiting: int) -> None:
        """A transaction failed: each time, the next attempt is later."""
        if not self.lasts:
            self.lasts, self._pause = True, FIRST_PAUSE
            self.tell(f"{type(error).__name__}: {error}".partition("\n")[0], waiting)
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def tell(self, why: str, waiting: int) -> None:
        """Also of a transaction that does not end."""
        if not self._told:
            self._told = True
            self._up.set(0)
            logs.event("ledger_away", level=logs.ERROR, error=why, waiting=waiting)

    def over(self, waiting: int) -> None:
        """A transaction went through."""
        self.lasts = False
        if self._told:
            self._told = False
            self._up.set(1)
            logs.event("ledger_back", waiting=waiting)
