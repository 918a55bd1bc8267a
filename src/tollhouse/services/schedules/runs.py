"""The times at which schedules are due: each is noted once by whoever is first, and its work begun once.

`fire` moves a schedule's next time on and notes the run, in one statement that only one of many can win; `start`
begins the work in the transaction that notes what was begun. Neither needs Redis, a leader, or clocks that agree: times
are the database's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tollhouse import logs, metrics
from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import InvalidField, TollhouseError, Unavailable
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.schedules.kinds import Plan, ScheduleKind
from tollhouse.services.schedules.owner import require_to_spend_as
from tollhouse.services.schedules.schedules import found_schedule
from tollhouse.services.schedules.timetable import Timetable
from tollhouse.services.wake_ups import Wake, wake_after
from tollhouse.store.database import Database
from tollhouse.store.records import (
    BatchRecord,
    ReportDeliveryRecord,
    ResponseRecord,
    ScheduleRecord,
    ScheduleRunRecord,
)

DUE, STARTED, SKIPPED, FAILED = "due", "started", "skipped", "failed"
LATE = timedelta(minutes=1)
"""What is begun later than this was missed."""
LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 5
MOST_AT_ONCE = 200

_row, _run = ScheduleRecord, ScheduleRunRecord


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """A run as it can be shown. `status` is that of the work that was begun, None where it is no longer kept; `error`
    says why it could not be begun, or why a report was not delivered.
    """

    id: str
    schedule_id: str
    due_at: datetime
    state: str
    started_at: datetime | None
    work_id: str | None
    status: str | None
    error: str | None


class Taken(Exception):
    """Somebody else has begun the run: what was about to be made is not."""


class ScheduleRuns:
    """`kinds` are by their names; `wake` tells the workers that there is something to start."""

    def __init__(
        self,
        database: Database,
        authentication: Authentication,
        kinds: Mapping[str, ScheduleKind],
        wake: Wake,
    ) -> None:
        self._database = database
        self._authentication = authentication
        self._kinds = kinds
        self._wake = wake
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    # --- When it is due ---------------------------------------------------------------------------------------------

    def fire(self) -> int:
        """Note the runs of all schedules that are due, and move these on; how many. Any number of processes may."""
        with self._database.read() as session:
            now = self._database.now(session)
            due = session.scalars(select(_row).where(_row.next_at <= now).order_by(_row.next_at).limit(MOST_AT_ONCE))
            found = due.all()
        fired = sum(self._fire(schedule) for schedule in found)
        if fired:
            self._wake()
        return fired

    def _fire(self, schedule: ScheduleRecord) -> bool:
        """False where somebody else was first, or it was paused or changed meanwhile."""
        due_at = schedule.next_at
        try:
            timetable = Timetable(schedule.cron, schedule.timezone)
        except InvalidField as error:  # this machine does not know the zone, say
            logs.event("schedule_unreadable", level=logs.ERROR, schedule=schedule.id, error=error.message)
            return False
        with self._database.write() as session:
            now = self._database.now(session)
            moved = session.scalar(
                update(_row)
                .where(_row.id == schedule.id, _row.next_at == due_at, _row.cron == schedule.cron)
                .values(next_at=timetable.after(now))
                .returning(_row.id)
                .execution_options(synchronize_session=False)
            )
            if moved is None or due_at is None:
                return False
            skipped = schedule.missed == "skip" and now - due_at > LATE
            noted = self._note(session, schedule, due_at, now, SKIPPED if skipped else DUE)
        metrics.SCHEDULE_RUNS.labels(SKIPPED if skipped else DUE).inc()
        logs.event("schedule_fired", schedule=schedule.id, due_at=due_at.isoformat(), skipped=skipped)
        return noted is not None

    def run_now(self, id: str, *, by: Actor = SYSTEM) -> ScheduleRun:
        """Begin it once more than its timetable says, paused or not: for who may spend as its key."""
        with self._database.write() as session:
            schedule = found_schedule(session, id, by, Right.CHANGE_JOBS)
            require_to_spend_as(session, by, schedule.key_id, schedule.team_id)
            now = self._database.now(session)
            run_id = self._note(session, schedule, now, now, DUE)
            note(session, by, "schedules.run", id, at=now, team_id=schedule.team_id, after={"run": run_id})
            wake_after(session, self._wake)
        return ScheduleRun(run_id or "", id, now, DUE, None, None, None, None)

    def _note(
        self, session: Session, schedule: ScheduleRecord, due_at: datetime, now: datetime, state: str
    ) -> str | None:
        """None where a run of this time is noted already."""
        new = {
            "id": new_id("run"),
            "schedule_id": schedule.id,
            "team_id": schedule.team_id,
            "due_at": due_at,
            "created_at": now,
            "state": state,
            "attempt": 0,
        }
        noted = self._insert(_run).values(**new).on_conflict_do_nothing().returning(_run.id)
        return session.scalar(noted)

    # --- When it begins ---------------------------------------------------------------------------------------------

    def start(self) -> int:
        """Begin the work of the runs that are due; how many. Any number of processes may."""
        with self._database.read() as session:
            now = self._database.now(session)
            free = or_(_run.lease_until.is_(None), _run.lease_until < now)
            due = select(_run).where(_run.state == DUE, free).order_by(_run.id).limit(MOST_AT_ONCE)
            found = session.scalars(due).all()
        return sum(self._start(run) for run in found)

    def _start(self, run: ScheduleRunRecord) -> bool:
        with self._database.write() as session:
            until = self._database.now(session) + LEASE
            mine = (_run.id == run.id, _run.state == DUE, _run.attempt == run.attempt)
            taken = session.scalar(
                update(_run)
                .where(*mine)
                .values(attempt=run.attempt + 1, lease_until=until)
                .returning(_run.id)
                .execution_options(synchronize_session=False)
            )
            schedule = session.get(_row, run.schedule_id)
        if taken is None:
            return False
        if schedule is None:
            self._fail(run, "The schedule was removed.")
            return False
        try:
            principal = self._authentication.owner(schedule.key_id, schedule.team_id)
            kind = self._kinds[schedule.kind]
            plan = Plan(principal, schedule.work, schedule.timezone)
            kind.begin(plan, run.due_at, lambda session, id: self._begun(session, run, id))
        except Taken:
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this run's alone, and told in its history
            self._judge(run, error)
            return False
        metrics.SCHEDULE_RUNS.labels(STARTED).inc()
        return True

    def _begun(self, session: Session, run: ScheduleRunRecord, work_id: str) -> None:
        """In the transaction that makes the work. Raises Taken."""
        done = session.scalar(
            update(_run)
            .where(_run.id == run.id, _run.state == DUE, _run.attempt == run.attempt + 1)
            .values(state=STARTED, work_id=work_id, started_at=self._database.now(session), lease_until=None)
            .returning(_run.id)
            .execution_options(synchronize_session=False)
        )
        if done is None:
            raise Taken

    def _judge(self, run: ScheduleRunRecord, error: Exception) -> None:
        passes = isinstance(error, (Unavailable, SQLAlchemyError)) and run.attempt + 1 < MOST_ATTEMPTS
        logs.event("schedule_not_started", level=logs.WARNING, run=run.id, schedule=run.schedule_id, error=error)
        if not passes:  # else it is tried again when the lease is over
            self._fail(run, error.message if isinstance(error, TollhouseError) else "The gateway failed: see its log.")

    def _fail(self, run: ScheduleRunRecord, why: str) -> None:
        with self._database.write() as session:
            session.execute(
                update(_run)
                .where(_run.id == run.id, _run.state == DUE, _run.attempt == run.attempt + 1)
                .values(state=FAILED, error=why[:500], lease_until=None)
                .execution_options(synchronize_session=False)
            )
        metrics.SCHEDULE_RUNS.labels(FAILED).inc()

    def any_due(self) -> bool:
        """Whether there is something to start."""
        with self._database.read() as session:
            return session.scalar(select(_run.id).where(_run.state == DUE).limit(1)) is not None

    # --- What came of it --------------------------------------------------------------------------------------------

    def page(self, id: str, limit: int, after: str | None = None, *, by: Actor = SYSTEM) -> Page[ScheduleRun]:
        """The runs of a schedule, newest first."""
        status = func.coalesce(BatchRecord.status, ResponseRecord.status, ReportDeliveryRecord.state)
        asked = (
            select(_run, status, ReportDeliveryRecord.error)
            .outerjoin(BatchRecord, BatchRecord.id == _run.work_id)
            .outerjoin(ResponseRecord, ResponseRecord.id == _run.work_id)
            .outerjoin(ReportDeliveryRecord, ReportDeliveryRecord.id == _run.work_id)
            .where(_run.schedule_id == id)
            .order_by(_run.id.desc())
            .limit(limit + 1)
        )
        if after is not None:
            asked = asked.where(_run.id < after)
        with self._database.read() as session:
            found_schedule(session, id, by, Right.VIEW_JOBS)
            runs = [_shown(run, said, error) for run, said, error in session.execute(asked)]
        return page_of(runs, limit, lambda one: one.id)


def _shown(run: ScheduleRunRecord, status: str | None, error: str | None) -> ScheduleRun:
    why = run.error or error
    return ScheduleRun(run.id, run.schedule_id, run.due_at, run.state, run.started_at, run.work_id, status, why)
