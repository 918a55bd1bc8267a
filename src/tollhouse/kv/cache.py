"""Replies that all processes share: in Redis, and while that is away in each process by itself.

Redis may be flushed, killed or stopped at any moment: a reply is then made anew, which is all that it costs.
"""

import threading
import time
from importlib.resources import files
from typing import cast

from redis import Redis, RedisError, ResponseError

from tollhouse import logs
from tollhouse.kv.connection import WAIT_SECONDS, Presence, connect
from tollhouse.kv.local_cache import LocalCache

PREFIX = "tollhouse:{replies}:"
"""In braces what a cluster of Redis goes by: the values are where their sum is."""
MOST_LOCAL_BYTES = 32 * 1024 * 1024
RETRY_SECONDS = 1.0
MOST_AT_ONCE = 32
"""Connections of a process. A trip takes a fraction of a millisecond: who waits for one waits for a slow server."""


class RedisCache:
    """The ReplyCache port, on Redis. Connects when it is first asked; close it."""

    def __init__(self, url: str, most: int) -> None:
        """`most` is in bytes, of all replies together."""
        self._redis: Redis = connect(url)
        self._put = self._redis.register_script(files("tollhouse.kv").joinpath("cache.lua").read_text())
        self._most = most
        self._local = LocalCache(min(most, MOST_LOCAL_BYTES))
        self._presence: Presence | None = None
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._away = self._closed = self._told = False
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        if self._away:
            return self._local.get(key)
        if not self._places.acquire(timeout=WAIT_SECONDS):
            return None
        try:
            value = cast("bytes | None", self._redis.get(PREFIX + key))
        except RedisError as error:
            self._lose(error)
            return self._local.get(key)
        finally:
            self._places.release()
        self._see()
        return value

    def put(self, key: str, value: bytes, seconds: int) -> None:
        if not self._write(key, value, seconds, 0):
            self._local.put(key, value, seconds)

    def append(self, key: str, record: bytes, seconds: int, most: int) -> None:
        if not self._write(key, record, seconds, most):
            self._local.append(key, record, seconds, most)

    def close(self) -> None:
        """Idempotent."""
        self._closed = True
        self._redis.close()
        self._local.close()

    def _write(self, key: str, value: bytes, seconds: int, records: int) -> bool:
        """False where it is away. With `records`, behind what is there."""
        if self._away:
            return False
        if not self._places.acquire(timeout=WAIT_SECONDS):
            return True
        names = [PREFIX + name for name in (key, "ends", "came", "sizes", "sum")]
        try:
            self._put(names, [key, value, 1000 * seconds, self._most, records])
        except ResponseError as error:
            self._tell(error)
        except RedisError as error:
            self._lose(error)
            return False
        finally:
            self._places.release()
        return True

    def _see(self) -> None:
        if self._presence is None:
            self._presence = Presence("cache")
            self._presence.seen()

    def _tell(self, error: ResponseError) -> None:
        """It is there, and would not do as asked: its memory is full, mostly. Once."""
        if not self._told:
            self._told = True
            logs.event("cache_refused", level=logs.WARNING, error=str(error))

    def _lose(self, error: RedisError) -> None:
        """From here on nobody waits for Redis but the one that looks whether it is back."""
        with self._lock:
            if self._away or self._closed:
                return
            self._away = True
        self._presence = self._presence or Presence("cache")
        self._presence.missed(error)
        threading.Thread(target=self._look, args=(self._presence,), name="cache", daemon=True).start()

    def _look(self, presence: Presence) -> None:
        while not self._closed:
            time.sleep(RETRY_SECONDS)
            try:
                self._redis.ping()
            except RedisError:
                continue
            presence.seen()
            self._away = False
            return
