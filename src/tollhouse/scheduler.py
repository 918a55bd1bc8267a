"""The scheduler process: a timer that settles what dead processes left, notes which schedules are due, and wakes the
workers for the kinds that are.

Any number may run; a lease in the database lets one of them act. Schedules need none: each is noted once, whoever does
it, and none is late because a leader died. It outlives both the database and Redis.
"""

import signal
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from tollhouse import logs
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import JobQueue
from tollhouse.jobs.registry import kinds
from tollhouse.services.troubles.troubles import Outage
from tollhouse.settings import Settings

if TYPE_CHECKING:
    from tollhouse.wiring import Services

TICK_SECONDS = 1.0
LEASE = "scheduler"
LEASE_SECONDS = 10.0
"""How long nobody acts after a scheduler was killed, at most."""

SELDOM_SECONDS = 600.0
CALM_SECONDS = 60.0
"""A gateway that starts has other things to do than to tidy up: what is due less often than that waits for so long."""


class Leases(Protocol):
    """What the scheduler needs of store/leases.py."""

    def take(self, name: str, owner: str, seconds: float) -> bool: ...

    def release(self, name: str, owner: str) -> None: ...


class Scheduler:
    """Wakes workers for each kind once in its interval, while it has the lease.

    `intervals` are in seconds, by kind; `sweep` is asked at each tick, `survey` now and then, and neither needs Redis;
    nor does `fire`, which is asked at each tick with the lease or without. For a kind that `is_due` denies nobody is
    woken. What is due seldom waits for `calm_seconds` at first. `clock` is monotonic, so a clock that is set moves
    nothing.
    """

    def __init__(
        self,
        leases: Leases,
        queue: JobQueue,
        intervals: Mapping[str, float],
        *,
        sweep: Callable[[], object] = lambda: None,
        survey: Callable[[], object] = lambda: None,
        survey_seconds: float = 15.0,
        fire: Callable[[], object] = lambda: None,
        is_due: Callable[[str], bool] = lambda kind: True,
        calm_seconds: float = 0.0,
        on_loss: Callable[[], object] = lambda: None,
        on_return: Callable[[], object] = lambda: None,
        loss_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._queue = queue
        self._intervals = intervals
        self._sweep = sweep
        self._survey = survey
        self._survey_seconds = survey_seconds
        self._survey_at = 0.0
        self._fire = fire
        self._is_due = is_due
        self._on_loss, self._on_return, self._loss_seconds = on_loss, on_return, loss_seconds
        self._lost_at: float | None = None
        self._told_of_loss = False
        self._clock = clock
        self._owner = new_id("sch")
        calm_until = clock() + calm_seconds
        self._due_at = {kind: calm_until if seconds > SELDOM_SECONDS else 0.0 for kind, seconds in intervals.items()}
        self._leads = False
        self._troubles = set[str]()
        self._stopped = False

    def run(self) -> None:
        """Tick once a second until `stop`, then give the lease up for the next."""
        while not self._stopped:
            next_tick = self._clock() + TICK_SECONDS
            self.tick()
            self._sleep(next_tick)
        self._release()

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """End `run` within a tenth of a second. A signal handler."""
        self._stopped = True

    def tick(self) -> None:
        """Take or renew the lease; with it, wake workers for all that is due. Raises nothing."""
        leads = self._take()
        if self._lost_at is None:
            self._attempt("schedules", self._fire)
        if not leads:
            return
        self._attempt("sweep", self._sweep)
        now = self._clock()
        if now >= self._survey_at:
            self._survey_at = now + self._survey_seconds
            self._attempt("survey", self._survey)
        for kind, due_at in self._due_at.items():
            if due_at <= now:
                if self._has_work(kind) and not self._queue.enqueue(kind):
                    return
                self._due_at[kind] = now + self._intervals[kind]

    def _has_work(self, kind: str) -> bool:
        """Whether a worker is worth waking; where that cannot be known, it finds out for itself."""
        try:
            return self._is_due(kind)
        except Exception as error:  # noqa: BLE001 - a timer outlives whatever the database does
            logs.event("defect", level=logs.ERROR, kind=kind, error=error)
            return True

    def _sleep(self, until: float) -> None:
        while not self._stopped and (left := until - self._clock()) > 0:
            time.sleep(min(left, 0.1))

    def _take(self) -> bool:
        try:
            leads = self._leases.take(LEASE, self._owner, LEASE_SECONDS)
        except Exception as error:  # noqa: BLE001 - a timer outlives whatever the database does
            if self._lost_at is None:
                logs.event("scheduler_lost_database", level=logs.ERROR, error=error)
                self._lost_at = self._clock()
            self._tell_of_loss(self._clock() - self._lost_at)
            return False
        if self._lost_at is not None:
            logs.event("scheduler_found_database")
            self._lost_at = None
            if self._told_of_loss:
                self._told_of_loss = False
                self._attempt("return", self._on_return)
        if leads != self._leads:
            logs.event("scheduler_leads" if leads else "scheduler_follows", owner=self._owner)
        self._leads = leads
        return leads

    def _tell_of_loss(self, seconds: float) -> None:
        """Who led when the database went away: it is one, though nobody can have the lease now."""
        if self._leads and not self._told_of_loss and seconds >= self._loss_seconds:
            self._told_of_loss = True
            self._attempt("loss", self._on_loss)

    def _attempt(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is asked again in a second
            if name not in self._troubles:
                logs.event(f"{name}_failed", level=logs.ERROR, error=error)
            self._troubles.add(name)
        else:
            self._troubles.discard(name)

    def _release(self) -> None:
        try:
            self._leases.release(LEASE, self._owner)
        except Exception as error:  # noqa: BLE001 - then the lease runs out by itself
            logs.event("lease_not_released", level=logs.WARNING, error=type(error).__name__)


def run(settings: Settings, build: "Callable[[], Services] | None" = None) -> int:
    """Schedule until SIGTERM or SIGINT, and end at once. `build` makes the services."""
    logs.configure(settings, "scheduler")
    services = (build or _builder(settings))()
    intervals = {kind.name: getattr(settings, kind.every) for kind in kinds().values() if kind.every}
    outage = Outage(services.trouble_deliveries.at_once)
    scheduler = Scheduler(
        services.leases,
        services.queue,
        intervals,
        sweep=services.recovery.sweep,
        survey=services.troubles.look,
        survey_seconds=settings.survey_seconds,
        fire=services.schedule_runs.fire,
        is_due=lambda kind: kinds()[kind].is_due(services),
        calm_seconds=CALM_SECONDS,
        on_loss=outage.begins,
        on_return=outage.ends,
        loss_seconds=settings.alert_lag_seconds,
    )
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, scheduler.stop)
    logs.event("scheduler_started", kinds=sorted(intervals))
    services.trouble_deliveries.start()
    try:
        scheduler.run()
    finally:
        services.trouble_deliveries.stop()
        services.close()
    logs.event("scheduler_stopped")
    return 0


def _builder(settings: Settings) -> "Callable[[], Services]":
    from tollhouse import wiring

    return lambda: wiring.build(settings, process="scheduler")
