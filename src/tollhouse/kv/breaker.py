"""News of breakers between processes: which deployments rest, and how long still. Without Redis each has its own."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from redis import RedisError

from tollhouse.kv.connection import connect

KEY = "tollhouse:breakers"
"""A sorted set: deployments by the moment, in the server's own milliseconds, until which they rest."""
POLL_SECONDS = 0.5
MOST_UNSENT = 1000


class RedisBreakerNews:
    """Tells and hears twice a second, on a thread of its own: nobody waits for it, and what is lost was news only."""

    def __init__(self, url: str, hear: Callable[[Mapping[str, float]], None]) -> None:
        """`hear` is called with all that rest, by deployment in seconds, as often as Redis answers."""
        self._redis = connect(url)
        self._hear = hear
        self._unsent: deque[tuple[str, float]] = deque(maxlen=MOST_UNSENT)
        self._wake = threading.Event()
        self._stopped = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="breakers", daemon=True).start()

    def opened(self, deployment: str, seconds: float) -> None:
        self._unsent.append((deployment, seconds))
        self._wake.set()

    def closed(self, deployment: str) -> None:
        self.opened(deployment, 0.0)

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            with suppress(RedisError):
                self._exchange()
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
        self._redis.close()

    def _exchange(self) -> None:
        seconds, micros = cast(Any, self._redis.time())
        now = seconds * 1000 + micros // 1000
        news = [self._unsent.popleft() for _ in range(len(self._unsent))]
        with self._redis.pipeline(transaction=False) as trip:
            for deployment, rest in news:
                if rest:
                    trip.zadd(KEY, {deployment: now + int(1000 * rest)})
                else:
                    trip.zrem(KEY, deployment)
            trip.zremrangebyscore(KEY, "-inf", now)
            trip.zrange(KEY, 0, -1, withscores=True)
            try:
                *_, resting = trip.execute()
            except RedisError:
                self._unsent.extendleft(reversed(news))
                raise
        self._hear({name.decode(): (until - now) / 1000 for name, until in resting})
