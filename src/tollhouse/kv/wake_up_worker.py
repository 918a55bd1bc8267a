"""RQ's worker, made to outlive Redis, with work-horses that do not outlive it.

The loop is our own, since RQ's ends where Redis is away at the wrong moment. Nothing here depends on what
Redis remembers: what a wake-up was lost for is still due in the database.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from redis import Redis, RedisError
from rq import Queue, Worker
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.serializers import JSONSerializer

from tollhouse import logs, metrics
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import QUEUE
from tollhouse.kv.connection import Presence
from tollhouse.kv.wake_up import WakeUp

BEGIN_NO_MORE = signal.SIGUSR1
"""Tells a work-horse that its worker is asked to stop."""
POLL_SECONDS = 1
"""How long to wait for a wake-up before looking whether to stop, and between looks at a running job."""
MAINTENANCE_SECONDS = 15
ANSWER_SECONDS = 5
"""How long to wait for an answer of Redis, which holds one back for POLL_SECONDS."""
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to reach Redis; the last one repeats."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class WakeUpWorker(Worker):
    """Does one wake-up at a time. It listens to no commands: whoever can write to Redis could stop it."""

    connection_timeout = ANSWER_SECONDS

    def __init__(
        self,
        redis: Redis,
        queue: str = QUEUE,
        *,
        stop_seconds: float = 30.0,
        on_stop: Callable[[], None] = lambda: None,
        before_fork: Callable[[], None] = lambda: None,
    ) -> None:
        """`stop_seconds` is how long a running job may go on after SIGTERM; its work-horse calls `on_stop` then.
        `before_fork` is called in the worker each time that there is work: what it leaves is every work-horse's.
        """
        super().__init__(
            [queue],
            name=new_id("worker"),
            connection=redis,
            job_class=WakeUp,
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_SECONDS,
            job_monitoring_interval=POLL_SECONDS,
            worker_ttl=30,
            prepare_for_work=False,  # that would ask Redis, which may be away
        )
        self.hostname, self.pid = socket.gethostname(), os.getpid()
        self._horse_name = f"{self.pid}horse"
        self._stop_seconds = stop_seconds
        self._on_stop = on_stop
        self._before_fork = before_fork
        self._presence = Presence("worker")
        self._stop_at: float | None = None
        self._next_maintenance = 0.0
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def serve(self) -> None:
        """Do wake-ups until `request_stop`. Redis may be away at any time, from the beginning too."""
        # Until a work-horse hears it: a signal that comes before would end it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {BEGIN_NO_MORE})
        misses = 0
        while self._stop_at is None:
            try:
                self._step()
            except RedisError as error:
                self._presence.missed(error)
                self._next_maintenance = 0.0
                self._pause(PAUSES[min(misses, len(PAUSES) - 1)])
                misses += 1
            else:
                misses = 0
        with suppress(RedisError):
            self.register_death()  # type: ignore[no-untyped-call]

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Take no more wake-ups. The first time the running job may end, the second time it is killed."""
        first = self._stop_at is None
        self._stop_at = time.monotonic() + (self._stop_seconds if first else 0)
        if first and self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, BEGIN_NO_MORE)

    def _step(self) -> None:
        try:
            if time.monotonic() >= self._next_maintenance:
                self._next_maintenance = time.monotonic() + MAINTENANCE_SECONDS
                self._enlist()
                self.run_maintenance_tasks()  # type: ignore[no-untyped-call]
            self.heartbeat()
            found = self._next()
            self._presence.seen()
            if found:
                self.execute_job(*found)
        except RedisError:
            raise
        except Exception as error:  # noqa: BLE001 - Redis may hold anything, and RQ trusts it
            logs.event("queue_unreadable", level=logs.ERROR, error=error)
            self._forget_books()

    def _next(self) -> tuple[Job, Queue] | None:
        with suppress(DequeueTimeout):
            return Queue.dequeue_any(
                self.queues, POLL_SECONDS, self.connection, job_class=WakeUp, serializer=JSONSerializer
            )
        return None

    def _enlist(self) -> None:
        """Be among the workers that RQ's tools show, also after Redis has forgotten everything."""
        if not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]

    def _forget_books(self) -> None:
        """Delete what RQ keeps beside the queue."""
        (queue,) = self.queues
        registries = (
            queue.started_job_registry,
            queue.finished_job_registry,
            queue.failed_job_registry,
            queue.deferred_job_registry,
        )
        self.connection.delete(
            queue.intermediate_queue_key,
            queue.registry_cleaning_key,
            "rq:groups",
            *(registry.key for registry in registries),
        )

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._stop_at is None and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    # --- While a job runs: Redis may be away, and the job goes on ---------------------------------------------

    def execute_job(self, job: Job, queue: Queue) -> None:
        self._before_fork()
        try:
            super().execute_job(job, queue)
        finally:
            metrics.forget_process(self._horse_name)

    def maintain_heartbeats(self, job: Job) -> None:
        if self._stop_at is not None and time.monotonic() > self._stop_at:
            logs.event("job_cut", level=logs.WARNING, kind=job.description)
            self.kill_horse()
        try:
            super().maintain_heartbeats(job)
        except RedisError as error:
            self._presence.missed(error)

    def set_current_job_working_time(self, current_job_working_time: float, pipeline: Any = None) -> None:
        with suppress(RedisError):
            super().set_current_job_working_time(current_job_working_time, pipeline)

    def handle_work_horse_killed(self, job: Job, retpid: Any, ret_val: Any, rusage: Any) -> None:
        metrics.JOBS.labels("any", "killed").inc()
        exit_code = None if ret_val is None else os.waitstatus_to_exitcode(ret_val)
        logs.event("job_killed", level=logs.ERROR, kind=job.description, exit_code=exit_code)

    # --- In the work-horse ------------------------------------------------------------------------------------

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        signal.signal(BEGIN_NO_MORE, lambda *_: self._on_stop())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {BEGIN_NO_MORE})
        if self._stop_at is not None:
            self._on_stop()  # it was asked to between the fork and here
        self._die_with_worker()
        metrics.count_as(self._horse_name)
        super().main_work_horse(job, queue)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        logs.event("job_failed", level=logs.ERROR, kind=job.description, error=exc_info[1])
        logs.flush()

    def _die_with_worker(self) -> None:
        if self._libc:
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            self._end_if_orphaned()  # the worker may have died before the kernel was told
        else:
            threading.Thread(target=self._watch_worker, daemon=True).start()

    def _watch_worker(self) -> None:
        while True:
            self._end_if_orphaned()
            time.sleep(1)

    def _end_if_orphaned(self) -> None:
        if os.getppid() != self.pid:
            os._exit(1)
