"""The connection to Redis, which may be away at any time."""

import time

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from tollhouse import logs, metrics
from tollhouse.domain.errors import InvalidSetting
from tollhouse.kv.embedded import embedded_redis_url
from tollhouse.settings import Settings

WAIT_SECONDS = 0.25
"""Longest wait for a connection, and for each answer: callers have better things to do than to wait for Redis."""


def redis_url(settings: Settings) -> str:
    """Where Redis is, by default the embedded server of the home."""
    return settings.redis_url or embedded_redis_url(settings.home)


def connect(url: str, *, wait_seconds: float = WAIT_SECONDS) -> Redis:
    """A client for `url` that sends nothing yet, tries nothing twice, and may be used by all threads.

    Raises InvalidSetting for what is not a URL of Redis; it does not repeat the URL, which may have a password.
    """
    try:
        return Redis.from_url(
            url,
            socket_timeout=wait_seconds,
            socket_connect_timeout=wait_seconds,
            retry=Retry(NoBackoff(), 0),
            # The older protocol needs one round trip less for a connection, and every server speaks it.
            protocol=2,
            driver_info=None,
        )
    except (TypeError, ValueError):
        raise InvalidSetting(
            "TOLLHOUSE_REDIS_URL must be a URL such as redis://user:password@host:6379/0, rediss://… or unix:///path.",
            param="TOLLHOUSE_REDIS_URL",
        ) from None


class Presence:
    """Whether Redis answers, as one client of it sees: one log line when it is lost and one when it is back."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._lost_at: float | None = None
        self._gauge = metrics.REDIS_UP.labels(client)

    def seen(self) -> None:
        """Redis has answered."""
        lost_at, self._lost_at = self._lost_at, None
        self._gauge.set(1)
        if lost_at is not None:
            logs.event("redis_back", client=self._client, away_seconds=round(time.monotonic() - lost_at, 1))

    def missed(self, error: RedisError) -> None:
        """Redis has not answered, or would not do as asked."""
        self._gauge.set(0)
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            kind = type(error).__name__
            logs.event("redis_away", level=logs.WARNING, client=self._client, error=f"{kind}: {error}")
