"""Limits that all processes share: every call of a turn of the loop is decided in one trip to Redis.

Callers queue and one thread travels, as in the ledger's writer; without Redis each process has its share.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from redis import RedisError

from tollhouse import logs, metrics
from tollhouse.domain.limits import TICK_MS, WINDOW_MS, Limit, LimitOrder, Refusal, Taken, Verdict
from tollhouse.kv.connection import WAIT_SECONDS, Presence
from tollhouse.kv.limit_trip import Ended, Trip
from tollhouse.kv.local_limiter import BUSY_MS, Ending, LocalLimiter
from tollhouse.kv.queued import Queued
from tollhouse.kv.script import Script

PREFIX = "tollhouse:{limits}"
"""In braces what a cluster of Redis goes by: all limits are on one of its servers, so that one script sees them."""
LEASE_MS = 15_000
"""How long an open call counts after its process was last heard of, which says three times as often that it is."""
RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 2.5 * WAIT_SECONDS
"""How long a caller waits for a trip at most. It is the trip that gives up first, unless all stand still."""
SECOND_LOOK_SECONDS = 0.05
MOST_ORDERS, MOST_ENDED, MOST_RENEWED = 512, 1024, 1024
"""What one trip carries: keeps the script to a few milliseconds."""
MOST_UNSENT = 50_000
"""Ends of calls that wait for Redis to return; what is older ends by itself."""


class RedisLimiter:
    """The Limiter port, on Redis. Connects with the first call that has a limit; `stop` it."""

    def __init__(
        self, url: str, processes: Callable[[], int], *, window_ms: int = WINDOW_MS, lease_ms: int = LEASE_MS
    ) -> None:
        self._script = Script(url, "limiter.lua")
        self._local = LocalLimiter(processes, window_ms=window_ms)
        self._window_ms, self._lease_ms = window_ms, lease_ms
        self._presence: Presence | None = None
        """Not before the first call with a limit: whoever needs no Redis misses none."""
        self._orders: deque[Queued] = deque()
        self._ended: deque[Ended] = deque(maxlen=MOST_UNSENT)
        self._over: deque[Ending] = deque()
        """What this process's own windows are still to be told, all of a turn at once."""
        self._open: dict[str, LimitOrder] = {}
        """Calls that are open under a limit of concurrency."""
        self._names: dict[str, Limit] = {}
        """Of each name that was shared out while Redis was away, its limit."""
        self._renewals: Iterator[LimitOrder] = iter(())
        self._renew_at = 0.0
        self._away_since: int | None = None
        """The local tick at which Redis was lost."""
        self._retry_at = 0.0
        self._travels_since: float | None = None
        self._stopped = False
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def shared(self) -> bool:
        return self._away_since is None

    def take(self, order: LimitOrder) -> Verdict:
        verdict = self._ask(order)
        if isinstance(verdict, Refusal) and verdict.kind == "concurrency" and self.shared:
            # Who calls again the moment that an answer is whole may be faster than the news that its place is free.
            time.sleep(SECOND_LOOK_SECONDS)
            return self._ask(order)
        return verdict

    def _ask(self, order: LimitOrder) -> Verdict:
        if self._thread is None:
            self._start()
        if self._away_since is not None or self._hangs() or self._stopped:
            return self._take_share(order)
        queued = Queued(order)
        self._orders.append(queued)
        self._wake.set()
        try:
            queued.wait(PATIENCE_SECONDS)
        except BaseException:
            if not queued.leave() and isinstance(queued.verdict, Taken):
                self.give_back(queued.verdict)
            raise
        if queued.leave():
            # Under a name of its own: what the trip may still take under the other is void.
            return self._take_share(replace(order, id=f"{order.id}-share"))
        return queued.verdict or self._take_share(order)

    def settle(self, taken: Taken, tokens: int) -> None:
        self._end(taken, 0, tokens - taken.tokens)

    def give_back(self, taken: Taken) -> None:
        self._end(taken, -1, -taken.tokens)

    def stop(self) -> None:
        """Tell Redis of what has ended, as far as it listens. Idempotent."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(2 * WAIT_SECONDS)
        self._script.close()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._presence = Presence("limiter")
                self._thread = threading.Thread(target=self._run, name="limiter", daemon=True)
                self._thread.start()

    def _end(self, taken: Taken, requests: int, tokens: int) -> None:
        self._over.append((taken, requests, tokens))
        order = taken.order
        held = self._open.pop(order.id, None) is not None
        corrects = requests or (tokens and any(limit.tpm is not None for limit in order.limits))
        if taken.tick is None:
            corrects = False  # Redis knows of it only what `arrears` say
        if held or corrects:
            self._ended.append(Ended(order, taken.tick, requests, tokens) if corrects else Ended(order))
            self._wake.set()

    def _take_share(self, order: LimitOrder) -> Verdict:
        metrics.LIMITS_BY_SHARE.inc()
        self._tell_local()
        verdict = self._local.take(order)
        for limit in order.limits:
            self._names[limit.name] = limit
        if isinstance(verdict, Taken):
            self._follow(order)
        return verdict

    def _tell_local(self) -> None:
        over = []
        with suppress(IndexError):  # of two threads that drain it, each gets a part
            while True:
                over.append(self._over.popleft())
        if over:
            self._local.end(over)

    def _follow(self, order: LimitOrder) -> None:
        if order.takes_place:
            self._open[order.id] = order

    def _hangs(self) -> bool:
        since = self._travels_since
        return since is not None and time.monotonic() - since >= PATIENCE_SECONDS

    # --- The thread that travels --------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(self._patience())
            self._wake.clear()
            self._turn()
        self._turn()

    def _patience(self) -> float | None:
        now = time.monotonic()
        if self._away_since is not None:
            return max(0.0, self._retry_at - now)
        return max(0.0, self._renew_at - now) if self._open else None

    def _turn(self) -> None:
        """One trip. Whatever goes wrong, who waits is answered and the thread goes on."""
        queue = self._orders
        queued = [queue.popleft() for _ in range(min(len(queue), MOST_ORDERS))]
        ended: list[Ended] = []
        try:
            self._tell_local()
            if self._away_since is None or time.monotonic() >= self._retry_at:
                ended = [self._ended.popleft() for _ in range(min(len(self._ended), MOST_ENDED))]
                self._travel(queued, ended)
        except RedisError as error:
            self._lose(error, ended)
        except Exception as error:  # noqa: BLE001 - a defect must not leave callers waiting
            logs.event("limiter_defect", level=logs.ERROR, error=error)
            self._lose(RedisError(type(error).__name__), ended)
        finally:
            self._travels_since = None
            if self._away_since is not None:
                queued += [queue.popleft() for _ in range(len(queue))]
            for one in queued:
                # Those that no trip has answered find out for themselves what their share is.
                one.finish(None)
        if queue or (self._ended and self._away_since is None):
            self._wake.set()

    def _travel(self, queued: list[Queued], ended: list[Ended]) -> None:
        renewed = self._due()
        if not (queued or ended or renewed or self._away_since is not None):
            return
        orders = [one.order for one in queued]
        trip = Trip(orders, ended, renewed, self._arrears())
        began = self._travels_since = time.monotonic()
        answer = self._script.run(PREFIX, trip.payload, self._window_ms, TICK_MS, self._lease_ms, BUSY_MS)
        metrics.LIMITER_TRIP_SECONDS.observe(time.monotonic() - began)
        verdicts = trip.verdicts(answer, self._local.tick)
        self._local.record([verdict for verdict in verdicts if isinstance(verdict, Taken)])
        for one, verdict in zip(queued, verdicts, strict=True):
            # Before the caller goes on, for what it gives back must be known.
            if isinstance(verdict, Taken):
                self._follow(one.order)
            if not one.finish(verdict) and isinstance(verdict, Taken):
                self.give_back(verdict)  # the caller has left
        if self._away_since is not None:
            self._away_since = None
            self._names.clear()
        if self._presence:
            self._presence.seen()

    def _due(self) -> list[LimitOrder]:
        """Open calls that are to be renewed in this trip."""
        if time.monotonic() >= self._renew_at or self._away_since is not None:
            self._renew_at = time.monotonic() + self._lease_ms / 3000
            self._renewals = iter(list(self._open.values()))
        renewed = [order for order in islice(self._renewals, MOST_RENEWED) if order.id in self._open]
        if len(renewed) == MOST_RENEWED:
            self._wake.set()
        return renewed

    def _arrears(self) -> dict[Limit, tuple[int, int]]:
        """What was let in while Redis was away, which it is told when it is back."""
        if self._away_since is None:
            return {}
        since = self._local.since(self._away_since)
        return {limit: since[name] for name, limit in list(self._names.items()) if name in since and limit.slides}

    def _lose(self, error: RedisError, ended: list[Ended]) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if self._away_since is None:
            self._away_since = self._local.tick
        if self._presence:
            self._presence.missed(error)
        # It is not known whether this trip arrived: a call can end twice, but what it took is given back once.
        self._ended.extend(Ended(one.order) for one in ended if one.order.takes_place)
