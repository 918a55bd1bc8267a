"""Where jobs are: batches, responses, reports, runs of schedules. Ids of all kinds end in the time that they were made,
so pages of one list go through all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from tollhouse.domain.money import usd_from_nanos
from tollhouse.services.background.cancel import cancel_response
from tollhouse.services.background.claims import DONE
from tollhouse.services.batches.batches import IN_PROGRESS, VALIDATING, Batches
from tollhouse.services.reports.report_delivery import PREFIX as REPORT_PREFIX
from tollhouse.services.reports.scheduled_reports import CANCELLED, QUEUED
from tollhouse.services.responses.stored_responses import StoredResponses
from tollhouse.services.schedules.runs import DUE, FAILED, SKIPPED
from tollhouse.store.database import Database
from tollhouse.store.records import (
    BackgroundRecord,
    BatchRecord,
    ReportDeliveryRecord,
    ResponseRecord,
    ScheduleRecord,
    ScheduleRunRecord,
)

_Select = Select[*tuple[Any, ...]]
_Asked = TypeVar("_Asked", bound=_Select)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it can be shown. `progress` is of a batch, in lines; `waits_for` says why nothing of it is done now."""

    id: str
    kind: str
    team_id: str
    key_id: str | None
    status: str
    is_open: bool
    created_at: datetime
    ended_at: datetime | None = None
    progress: Mapping[str, int] | None = None
    waits_for: str | None = None
    error: str | None = None
    cost_usd: str | None = None
    may_cancel: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of these teams, None for all; open or ended ones, None for both; those made before the one with this suffix."""

    teams: frozenset[str] | None
    is_open: bool | None
    before: str | None
    limit: int


class JobSource(Protocol):
    """One kind of job, whose ids begin with `prefix` and an underscore."""

    kind: str
    prefix: str

    def page(self, session: Session, wanted: Wanted) -> list[Job]:
        """Newest first."""

    def one(self, session: Session, id: str) -> Job | None: ...

    def cancel(self, session: Session, job: Job) -> bool:
        """Whether it was cancelled."""


def suffix_of(id: str) -> str:
    """What ids of all kinds sort by."""
    return id.rpartition("_")[2]


class BatchSource:
    """`prefix` tells OpenAI's from Anthropic's."""

    def __init__(self, batches: Batches, kind: str, prefix: str) -> None:
        self.kind = kind
        self.prefix = prefix
        self._batches = batches

    def page(self, session: Session, wanted: Wanted) -> list[Job]:
        row = BatchRecord
        asked = _narrowed(select(row), row.id, row.team_id, self.prefix, wanted)
        if wanted.is_open is not None:
            asked = asked.where(row.ended_at.is_(None) if wanted.is_open else row.ended_at.is_not(None))
        return [self._job(one) for one in session.scalars(asked)]

    def one(self, session: Session, id: str) -> Job | None:
        row = session.get(BatchRecord, id)
        return None if row is None else self._job(row)

    def cancel(self, session: Session, job: Job) -> bool:
        return self._batches.cancel_in(session, job.team_id, job.id)

    def _job(self, row: BatchRecord) -> Job:
        first = (row.errors or [{}])[0]
        return Job(
            row.id,
            self.kind,
            row.team_id,
            row.key_id,
            row.status,
            row.ended_at is None,
            row.created_at,
            row.ended_at,
            {"total": row.total, "completed": row.completed, "failed": row.failed},
            row.paused_for if row.ended_at is None else None,
            first.get("message"),
            usd_from_nanos(row.cost),
            row.status in (VALIDATING, IN_PROGRESS),
        )


class ResponseSource:
    kind = "response"
    prefix = "resp"

    def __init__(self, database: Database, stored: StoredResponses) -> None:
        self._database = database
        self._stored = stored

    def page(self, session: Session, wanted: Wanted) -> list[Job]:
        row = BackgroundRecord
        asked = _narrowed(self._asked(), row.id, row.team_id, self.prefix, wanted)
        if wanted.is_open is not None:
            asked = asked.where(row.state != DONE if wanted.is_open else row.state == DONE)
        return self._jobs(session, asked)

    def one(self, session: Session, id: str) -> Job | None:
        jobs = self._jobs(session, self._asked().where(BackgroundRecord.id == id))
        return jobs[0] if jobs else None

    def cancel(self, session: Session, job: Job) -> bool:
        return cancel_response(session, self._database, self._stored, job.team_id, job.id)

    def _asked(self) -> _Select:
        # Not the response itself, which may be long.
        return select(BackgroundRecord, ResponseRecord.status, ResponseRecord.created_at).join(
            ResponseRecord, ResponseRecord.id == BackgroundRecord.id
        )

    def _jobs(self, session: Session, asked: _Select) -> list[Job]:
        rows: Sequence[Any] = session.execute(asked.execution_options(populate_existing=True)).all()
        failed = [one[0].id for one in rows if one[1] == "failed"]
        documents = select(ResponseRecord.id, ResponseRecord.document).where(ResponseRecord.id.in_(failed))
        errors = {id: (document.get("error") or {}).get("message") for id, document in session.execute(documents)}
        return [
            Job(
                row.id,
                self.kind,
                row.team_id,
                row.key_id,
                status,
                row.state != DONE,
                created_at,
                row.ended_at,
                waits_for=row.waits_for,
                error=errors.get(row.id),
                may_cancel=row.state != DONE,
            )
            for row, status, created_at in rows
        ]


class ReportSource:
    """Reports that schedules send."""

    kind = "report"
    prefix = REPORT_PREFIX

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, session: Session, wanted: Wanted) -> list[Job]:
        row = ReportDeliveryRecord
        asked = _narrowed(select(row), row.id, row.team_id, self.prefix, wanted)
        if wanted.is_open is not None:
            asked = asked.where(row.state == QUEUED if wanted.is_open else row.state != QUEUED)
        return [self._job(one) for one in session.scalars(asked)]

    def one(self, session: Session, id: str) -> Job | None:
        row = session.get(ReportDeliveryRecord, id)
        return None if row is None else self._job(row)

    def cancel(self, session: Session, job: Job) -> bool:
        row = ReportDeliveryRecord
        ended = {"state": CANCELLED, "ended_at": self._database.now(session), "work": {}}
        cancelled = update(row).where(row.id == job.id, row.state == QUEUED).values(ended).returning(row.id)
        return session.scalar(cancelled.execution_options(synchronize_session=False)) is not None

    def _job(self, row: ReportDeliveryRecord) -> Job:
        is_open = row.state == QUEUED
        return Job(
            row.id,
            self.kind,
            row.team_id,
            row.user_id,
            row.state,
            is_open,
            row.created_at,
            row.ended_at,
            error=row.error,
            may_cancel=is_open,
        )


class RunSource:
    """A run is over when its work has begun: that is a job of its own."""

    kind = "schedule_run"
    prefix = "run"

    def page(self, session: Session, wanted: Wanted) -> list[Job]:
        row = ScheduleRunRecord
        asked = _narrowed(self._asked(), row.id, row.team_id, self.prefix, wanted)
        if wanted.is_open is not None:
            asked = asked.where(row.state == DUE if wanted.is_open else row.state != DUE)
        return [self._job(run, key_id) for run, key_id in session.execute(asked)]

    def one(self, session: Session, id: str) -> Job | None:
        found = session.execute(self._asked().where(ScheduleRunRecord.id == id)).one_or_none()
        return None if found is None else self._job(*found)

    def cancel(self, session: Session, job: Job) -> bool:
        row = ScheduleRunRecord
        skipped = update(row).where(row.id == job.id, row.state == DUE).values(state=SKIPPED, error="It was cancelled.")
        return session.scalar(skipped.returning(row.id).execution_options(synchronize_session=False)) is not None

    def _asked(self) -> _Select:
        run = ScheduleRunRecord
        return select(run, ScheduleRecord.key_id).outerjoin(ScheduleRecord, ScheduleRecord.id == run.schedule_id)

    def _job(self, run: ScheduleRunRecord, key_id: str | None) -> Job:
        ended_at = run.started_at or (run.created_at if run.state in (SKIPPED, FAILED) else None)
        is_open = run.state == DUE
        return Job(
            run.id,
            self.kind,
            run.team_id,
            key_id,
            run.state,
            is_open,
            run.created_at,
            ended_at,
            error=run.error,
            may_cancel=is_open,
        )


def _narrowed(asked: _Asked, id: Any, team_id: Any, prefix: str, wanted: Wanted) -> _Asked:
    asked = asked.where(id.startswith(f"{prefix}_", autoescape=True)).order_by(id.desc()).limit(wanted.limit)
    if wanted.before is not None:
        asked = asked.where(id < f"{prefix}_{wanted.before}")
    return asked if wanted.teams is None else asked.where(team_id.in_(wanted.teams))
