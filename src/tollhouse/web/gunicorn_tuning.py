"""What gunicorn finds out anew for each request though nothing of it changes, found out once: a tenth of a call."""

import ctypes
import gc
import sys
import time
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

from gunicorn import util
from gunicorn.http import message, wsgi

_M_MMAP_THRESHOLD = -3
_MAPPED_BYTES = 1 << 20
_date_of = lru_cache(1)(util.http_date)


def tune(config: Any) -> None:
    """Once in each worker, after its fork and before its first request."""
    # A setting is looked up by two methods in two dictionaries, some 25 times a request, unless it is an attribute.
    vars(config).update({name: setting.get() for name, setting in config.settings.items()})
    # Making one takes the lock of all loggers. Nothing writes to it: the application logs by itself.
    wsgi.WSGIErrorsWrapper = cache(wsgi.WSGIErrorsWrapper)  # type: ignore[assignment, misc]
    util.http_date = _date
    # Nobody is (`forwarded_allow_ips`): an address need not be read to be compared with none.
    message.HeaderPolicy._peer_is_trusted_proxy = lambda _: False  # type: ignore[attr-defined]
    # A thread that comes back from the disk with a commit waits this long for a busy loop; 5 ms is Python's own.
    sys.setswitchinterval(0.0005)
    _map_large_blocks()


def keep_what_is_there() -> None:
    """Once the application is loaded: its 200,000 objects stay to the end of the process, and the garbage collector
    need not look through them. Each time that took 100 ms, in which nobody was served.
    """
    gc.collect()
    gc.freeze()


def _date(timestamp: float | None = None) -> str:
    """As gunicorn's: the time for a Date header, which has whole seconds."""
    return str(_date_of(int(time.time() if timestamp is None else timestamp)))


def _map_large_blocks() -> None:
    """Let the C library give the memory of large bodies back. By itself it puts what is under 32 MB on its heap, once
    such a block was freed, and its heap gets holes: 20 bodies of 30 MB took 90 MB more, and left 100 MB behind.
    """
    with suppress(OSError, AttributeError):  # other C libraries have no such thing
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
