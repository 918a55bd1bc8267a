"""A document of the issuer that is kept for a while."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from tollhouse import logs
from tollhouse.domain.errors import IssuerUnavailable

T = TypeVar("T")
FRESH_SECONDS = 600.0
PAUSE_SECONDS = 10.0
"""Between two fetches: whoever makes up a thousand keys a second has the issuer asked once."""
STALE_SECONDS = 86400.0
"""How long what was fetched is good while the issuer does not answer."""


class _Fetched(NamedTuple, Generic[T]):
    value: T
    at: float


class Kept(Generic[T]):
    """Fetched when it is first asked for, and again when it is old; by one at a time."""

    def __init__(
        self,
        fetch: Callable[[], T],
        *,
        fresh: float = FRESH_SECONDS,
        pause: float = PAUSE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._fetch = fetch
        self._fresh = fresh
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: _Fetched[T] | None = None
        self._tried_at = float("-inf")
        self._failure = ""

    def get(self) -> T:
        """Raises IssuerUnavailable."""
        kept = self._kept
        if kept is None or self._age(kept) >= STALE_SECONDS:
            with self._lock:
                return self._fetched(kept)
        if self._age(kept) >= self._fresh and self._lock.acquire(blocking=False):
            # One fetches; all others go on with what there is.
            try:
                return self._fetched(kept)
            finally:
                self._lock.release()
        return kept.value

    def newer_than(self, seen: T) -> T:
        """What there is besides `seen`, which was not enough: fetched now, unless it was a moment ago."""
        with self._lock:
            kept = self._kept
            return kept.value if kept is not None and kept.value is not seen else self._fetched(kept)

    def _fetched(self, seen: _Fetched[T] | None) -> T:
        """With the lock held."""
        if self._kept is not None and self._kept is not seen:
            return self._kept.value  # another fetched it meanwhile
        now = self._clock()
        if now - self._tried_at >= self._pause:
            self._tried_at = now
            try:
                self._kept = _Fetched(self._fetch(), now)
                return self._kept.value
            except IssuerUnavailable as error:
                logs.event("issuer_away", level=logs.WARNING, error=error.message)
                self._failure = error.message
        if seen is None or self._age(seen) >= STALE_SECONDS:
            raise IssuerUnavailable(self._failure, retry_after=self._pause)
        return seen.value

    def _age(self, kept: _Fetched[T]) -> float:
        return self._clock() - kept.at
