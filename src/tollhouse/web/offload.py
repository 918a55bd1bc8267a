"""Where a web process does what keeps a processor busy: in threads, so that its greenlets go on."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from gevent import monkey
from gevent.threadpool import ThreadPool

T = TypeVar("T")

THREADS = 2
"""Hashing one password takes 64 MiB: more at once would be a way to take all memory."""


def offload(work: Callable[[], T]) -> T:
    """The port on gevent's threads; a direct call in a process that gevent does not run."""
    if not monkey.is_module_patched("threading"):
        return work()
    result: T = _threads().apply(work)
    return result


@cache
def _threads() -> ThreadPool:
    return ThreadPool(THREADS)
