"""Replies that are kept in this process, of which the oldest make room for others."""

import threading
import time
from collections import OrderedDict

ENTRY_OVERHEAD = 200
"""Bytes that an entry takes beside its value."""


class LocalCache:
    """The ReplyCache port, in memory."""

    def __init__(self, most: int) -> None:
        """`most` is in bytes, of all values together."""
        self._most = most
        self._size = 0
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            until, value = found
            if until <= time.monotonic():
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return value

    def append(self, key: str, record: bytes, seconds: int, most: int) -> None:
        with self._lock:
            until, kept = self._kept.get(key, (0.0, b""))
            if until <= time.monotonic() or len(kept) % len(record):
                kept = b""
            self._put(key, (kept + record)[-most * len(record) :], seconds)

    def put(self, key: str, value: bytes, seconds: int) -> None:
        with self._lock:
            self._put(key, value, seconds)

    def close(self) -> None:
        with self._lock:
            self._kept.clear()
            self._size = 0

    def _put(self, key: str, value: bytes, seconds: int) -> None:
        self._drop(key)
        if len(value) + ENTRY_OVERHEAD > self._most:
            return
        self._kept[key] = time.monotonic() + seconds, value
        self._size += len(value) + ENTRY_OVERHEAD
        while self._size > self._most:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        _, value = self._kept.pop(key, (0.0, None))
        if value is not None:
            self._size -= len(value) + ENTRY_OVERHEAD
