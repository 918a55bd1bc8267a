"""The worker process: RQ only ever sees `perform` and the name of a kind."""

import signal
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from tollhouse import logs, metrics, traces
from tollhouse.domain.ports import QUEUE
from tollhouse.jobs.registry import kinds
from tollhouse.kv.connection import connect, redis_url
from tollhouse.kv.wake_up_worker import WakeUpWorker
from tollhouse.settings import Settings

if TYPE_CHECKING:
    from tollhouse.wiring import Services


def run(settings: Settings, build: "Callable[[], Services] | None" = None, queue: str = QUEUE) -> int:
    """Work off one queue until SIGTERM or SIGINT, then end after the job that runs; a second one ends that too.

    `build` makes the services of a work-horse; it is called in each, and never here.
    """
    logs.configure(settings, "worker")
    traces.configure(settings, "worker")
    worker = WakeUpWorker(
        connect(redis_url(settings)),
        queue,
        stop_seconds=settings.worker_stop_seconds,
        on_stop=_Inheritance.stop,
        before_fork=_import_program,
    )
    _Inheritance.build = staticmethod(build or _builder(settings))
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, worker.request_stop)
    logs.event("worker_started", worker=worker.name, queue=queue)
    worker.serve()
    logs.event("worker_stopped", worker=worker.name)
    return 0


def perform(kind: str) -> None:
    """The one function that RQ ever sees: work off what is due of this kind. Raises what the kind raises."""
    job = kinds().get(kind)
    if job is None:
        metrics.JOBS.labels("any", "refused").inc()
        logs.event("job_refused", level=logs.WARNING, kind=kind, reason="there is no such kind")
        return
    began = time.monotonic()
    outcome = "error"
    try:
        with closing(_Inheritance.build()) as services:
            services.asked_to_stop = _Inheritance.is_asked_to_stop
            job.run(services)
        outcome = "ok"
    finally:
        metrics.JOBS.labels(kind, outcome).inc()
        traces.flush()  # a work-horse ends without a goodbye
    logs.event("job_done", kind=kind, milliseconds=int((time.monotonic() - began) * 1000))
    logs.flush()


class _Inheritance:
    """What a work-horse has of its worker: RQ hands it no more than a kind."""

    build: "Callable[[], Services]"
    stopping = False

    @classmethod
    def stop(cls) -> None:
        """A signal handler, in the work-horse."""
        cls.stopping = True

    @classmethod
    def is_asked_to_stop(cls) -> bool:
        return cls.stopping


def _import_program() -> None:
    """Once, where there is work, and not in each work-horse anew, which takes a second of a processor.

    A worker that has nothing to do stays small. Nothing is connected: connections do not outlive a fork.
    """
    import tollhouse.wiring  # noqa: F401


def _builder(settings: Settings) -> "Callable[[], Services]":
    def build() -> "Services":
        from tollhouse import wiring

        return wiring.build(settings, process="worker")

    return build
