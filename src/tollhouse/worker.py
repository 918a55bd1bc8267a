"""The worker: takes wake-ups from RQ, and does each in a process of its own, the work-horse.

RQ only ever sees `perform` and the name of a kind. Nothing depends on what Redis remembers: a worker that
loses it waits and comes back, and what a wake-up was lost for is found due by the scheduler.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from redis import Redis, RedisError
from rq import Queue, Worker
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.serializers import JSONSerializer

from tollhouse import logs, metrics
from tollhouse.domain.identifiers import new_id
from tollhouse.kv.connection import Presence, connect, redis_url
from tollhouse.kv.wake_up import QUEUE, WakeUp
from tollhouse.settings import Settings

if TYPE_CHECKING:
    from tollhouse.jobs.registry import Services

STOP_SECONDS = 20.0
"""How long a running job may go on after SIGTERM; a kind works for about 15 seconds."""
REDIS_SECONDS = 5.0
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to reach Redis; the last one repeats."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ClosableServices(Protocol):
    """The services of one process, to be closed by whoever had them built."""

    @property
    def services(self) -> "Services": ...

    def close(self) -> None: ...
