"""Limits in the memory of one process: alone, or as its share of what all processes may take."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from tollhouse.domain.limits import (
    TICK_MS,
    WINDOW_MS,
    Kind,
    Level,
    Limit,
    LimitOrder,
    Refusal,
    Standing,
    Taken,
    Verdict,
)
from tollhouse.kv.window import Window

BUSY_MS = 1000
"""When to ask again for a place among the open calls: nobody knows when one of them ends."""

Ending = tuple[Taken, int, int]
"""A call that is over, and what to add of requests and tokens to what it took."""


class LocalLimiter:
    """The Limiter port for one process. `processes` says between how many the limits are shared out.

    A share is rounded down, but is never less than one call: no call fails because the others cannot be asked. So a
    call whose tokens are more than the share, but not more than the limit, is let in when no other is in the window.
    """

    shared = False

    def __init__(
        self,
        processes: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.monotonic,
        *,
        window_ms: int = WINDOW_MS,
    ) -> None:
        self._window_ms = window_ms
        self._processes = processes
        self._clock = clock
        self._windows: dict[str, Window] = {}
        self._lock = threading.Lock()

    @property
    def tick(self) -> int:
        """Now."""
        return int(self._clock() * 1000) // TICK_MS

    def take(self, order: LimitOrder) -> Verdict:
        processes = max(1, self._processes())
        with self._lock:
            now = int(self._clock() * 1000)
            tick = now // TICK_MS
            charged, worst = order.most, None
            for limit in order.limits:
                window = self._window(limit, tick)
                kind, wait, room = _judge(limit, window, order.least, processes, now)
                charged = min(charged, room)
                if kind is not None and (worst is None or _longer(wait, worst[2])):
                    worst = (limit, kind, wait)
            if worst is None:
                self._add(order, tick, 1, charged)
            standing = self._standing(order.limits, processes, now)
        if worst is not None:
            return Refusal(*worst, standing)
        return Taken(order, standing, charged, None, tick)

    def settle(self, taken: Taken, tokens: int) -> None:
        self.end([(taken, 0, tokens - taken.tokens)])

    def give_back(self, taken: Taken) -> None:
        self.end([(taken, -1, -taken.tokens)])

    def end(self, ended: Iterable[Ending]) -> None:
        """These calls are over; and so many requests and tokens more than they took."""
        with self._lock:
            now = self.tick
            sums: dict[tuple[int, int], list[int]] = {}
            limits: dict[int, Limit] = {}
            for taken, requests, tokens in ended:
                # What came on top came now; what was taken too much is given back where it was taken.
                tick = now if tokens > 0 else taken.local_tick
                for limit in taken.order.limits:
                    at = (id(limit), tick)
                    if (counts := sums.get(at)) is None:
                        sums[at], limits[at[0]] = [requests, tokens, 1], limit
                    else:
                        counts[0] += requests
                        counts[1] += tokens
                        counts[2] += 1
            for (number, tick), (requests, tokens, calls) in sums.items():
                self._give(limits[number], tick, requests, tokens, calls, now)

    def _give(self, limit: Limit, tick: int, requests: int, tokens: int, calls: int, now: int) -> None:
        window = self._window(limit, now)
        if limit.concurrency is not None:
            window.open = max(0, window.open - calls)
        if limit.slides and (tick == now or tick in window.ticks):
            window.add(tick, requests, tokens)

    def record(self, taken: Sequence[Taken]) -> None:
        """What others have let in: it counts here too."""
        if taken:
            with self._lock:
                # Calls of one turn are mostly under the same limits, in the same tick.
                sums: dict[tuple[int, int], list[int]] = {}
                limits: dict[int, Limit] = {}
                for one in taken:
                    for limit in one.order.limits:
                        at = (id(limit), one.local_tick)
                        if (counts := sums.get(at)) is None:
                            sums[at], limits[at[0]] = [1, one.tokens], limit
                        else:
                            counts[0] += 1
                            counts[1] += one.tokens
                for (number, tick), (requests, tokens) in sums.items():
                    self._count(limits[number], tick, requests, tokens, requests)

    def since(self, tick: int) -> dict[str, tuple[int, int]]:
        """Requests and tokens of each scope from this tick on, as far as they are in the window."""
        with self._lock:
            first = max(tick, self.tick - self._window_ms // TICK_MS)
            return {
                name: (sum(one[0] for one in taken), sum(one[1] for one in taken))
                for name, window in self._windows.items()
                if (taken := [counts for at, counts in window.ticks.items() if at >= first])
            }

    def _window(self, limit: Limit, tick: int) -> Window:
        window = self._windows.get(limit.name)
        if window is None:
            self._forget_idle(tick)
            window = self._windows[limit.name] = Window(self._window_ms)
        elif window.ticks:
            window.forget_old(tick)
        return window

    def _forget_idle(self, tick: int) -> None:
        """Scopes that come and go must not stay: looked at now and then, when there are many."""
        if len(self._windows) % 1024 == 1023:
            for name, window in list(self._windows.items()):
                window.forget_old(tick)
                if not window.ticks and not window.open:
                    del self._windows[name]

    def _add(self, order: LimitOrder, tick: int, requests: int, tokens: int) -> None:
        for limit in order.limits:
            self._count(limit, tick, requests, tokens, 1)

    def _count(self, limit: Limit, tick: int, requests: int, tokens: int, calls: int) -> None:
        window = self._window(limit, tick)
        if limit.slides:
            window.add(tick, requests, tokens)
        if limit.concurrency is not None:
            window.open += calls

    def _standing(self, limits: Sequence[Limit], processes: int, now: int) -> Standing:
        requests = tokens = None
        for limit in limits:
            window = self._window(limit, now // TICK_MS)
            reset = window.resets(now)
            if limit.rpm is not None:
                level = Level(limit.rpm, max(0, _share(limit.rpm, processes) - window.requests), reset)
                requests = level if requests is None or level.remaining < requests.remaining else requests
            if limit.tpm is not None:
                level = Level(limit.tpm, max(0, _share(limit.tpm, processes) - window.tokens), reset)
                tokens = level if tokens is None or level.remaining < tokens.remaining else tokens
        return Standing(requests, tokens)


def _share(limit: int, processes: int) -> int:
    return max(1, limit // processes)


def _longer(wait: int | None, than: int | None) -> bool:
    return than is not None and (wait is None or wait > than)


def _judge(limit: Limit, window: Window, least: int, processes: int, now: int) -> tuple[Kind | None, int | None, int]:
    """Why one limit refuses a call of at least so many tokens, if it does; for how long; the room for tokens."""
    kind: Kind | None = None
    wait: int | None = -1
    room = 2**53
    if limit.rpm is not None and (excess := window.requests + 1 - _share(limit.rpm, processes)) > 0:
        kind, wait = "requests", window.frees_requests(excess, now)
    if limit.tpm is not None:
        share = _share(limit.tpm, processes)
        if share < least <= limit.tpm and not window.tokens:
            share = least
        room = share - window.tokens
        if room < least:
            frees = window.frees_tokens(least - room, now) if least <= limit.tpm else None
            if kind is None or _longer(frees, wait):
                kind, wait = "tokens", frees
    full = limit.concurrency is not None and window.open >= _share(limit.concurrency, processes)
    if full and (kind is None or _longer(BUSY_MS, wait)):
        kind, wait = "concurrency", BUSY_MS
    return kind, wait, room
