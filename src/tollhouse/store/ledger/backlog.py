"""Settlements that wait to be written, in memory and, while the database is away, on the disk too."""

import threading
from collections import deque
from collections.abc import Iterable

from tollhouse import logs, metrics
from tollhouse.domain.ledger import Settlement
from tollhouse.store.ledger.spool import Spool


class Backlog:
    """Any thread may `add`; one takes. What it took is in hand until it is `done` or `put_back`."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._new: deque[Settlement] = deque()
        self._kept: deque[Settlement] = deque()
        """These are in the spool as well, as far as it took them; they go first."""
        self._source = self._new
        self._in_hand: list[Settlement] = []
        self._sheltered = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._new) + len(self._kept)

    def add(self, settlement: Settlement) -> None:
        self._new.append(settlement)

    def take(self, most: int) -> list[Settlement]:
        """The next ones to write."""
        with self._lock:
            self._source = self._kept or self._new
            self._in_hand = [self._source.popleft() for _ in range(min(len(self._source), most))]
            self._sheltered = False
            return self._in_hand

    def put_back(self, settlements: Iterable[Settlement]) -> None:
        """What was in hand was not written."""
        self._source.extendleft(reversed([*settlements]))

    def done(self) -> None:
        """What was in hand is written or put back. With nothing left of what was kept, the spool has served."""
        with self._lock:
            self._in_hand = []
            if not self._kept:
                try:
                    self._spool.clear()
                except OSError as error:  # then it is settled again, which changes nothing
                    logs.event("spool_failed", level=logs.ERROR, error=error)

    def keep(self) -> None:
        """Put on the disk what is not there yet. A disk that is full is no error: then it is in memory alone."""
        with self._lock:
            new = [self._new.popleft() for _ in range(len(self._new))]
            self._kept.extend(new)
            self._put_on_disk(new)

    def shelter(self) -> None:
        """The same from another thread, while the one that has some in hand hangs: those too.

        They may be written or not; to settle again changes nothing.
        """
        self.keep()
        with self._lock:
            if self._source is self._new and not self._sheltered:
                self._sheltered = True
                self._put_on_disk(self._in_hand)

    def _put_on_disk(self, settlements: list[Settlement]) -> None:
        if settlements:
            try:
                self._spool.keep(settlements)
            except (OSError, TypeError, ValueError) as error:
                metrics.SPOOL_FAILURES.inc()
                logs.event("spool_failed", level=logs.ERROR, error=error, waiting=len(settlements))

    def take_over(self) -> None:
        """Add what ended processes of this home left on the disk."""
        self._kept.extend(self._spool.take_over())

    def close(self) -> None:
        """What is on the disk waits for whoever takes over."""
        self._spool.close()
