"""What is left of background work that has ended: kept for some days, then deleted in small transactions."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tollhouse.services.background.claims import DONE
from tollhouse.services.schedules.runs import DUE
from tollhouse.store.database import Database
from tollhouse.store.records import (
    BackgroundRecord,
    BatchRecord,
    ReportDeliveryRecord,
    ResponseEventsRecord,
    ScheduleRunRecord,
)

CHUNK = 200
"""Rows that are deleted at once, of events the responses: keeps SQLite's write lock under 50 ms."""


class EndedWork:
    """Each kind has days of its own."""

    def __init__(self, database: Database, *, events_days: int, batches_days: int, runs_days: int) -> None:
        self._database = database
        self._events = timedelta(days=events_days)
        self._batches = timedelta(days=batches_days)
        self._runs = timedelta(days=runs_days)

    def expire(self) -> dict[str, int]:
        """Delete what is too old; how much of each kind."""
        kinds = {
            "event_logs": (self._forget_events, self._events),
            "batches": (self._forget_batches, self._batches),
            "schedule_runs": (self._forget_runs, self._runs),
            "reports": (self._forget_reports, self._runs),
        }
        deleted = dict.fromkeys(kinds, 0)
        for kind, (forget, kept_for) in kinds.items():
            more = True
            while more:
                with self._database.write() as session:
                    number, more = forget(session, self._database.now(session) - kept_for)
                deleted[kind] += number
        return deleted

    def _forget_events(self, session: Session, before: datetime) -> tuple[int, bool]:
        """Some of one response, which stays, and says then that it has no events; whether there is more."""
        row, events = BackgroundRecord, ResponseEventsRecord
        old = (row.streamed, row.state == DONE, row.ended_at < before)
        some = session.scalars(select(row.id).where(*old).limit(1)).all()
        chunk = select(events.first).where(events.response_id.in_(some)).limit(CHUNK)
        gone = delete(events).where(events.response_id.in_(some), events.first.in_(chunk)).returning(events.first)
        if session.scalars(gone).all():
            return 0, True
        session.execute(update(row).where(row.id.in_(some)).values(streamed=False))
        return len(some), bool(some)

    def _forget_batches(self, session: Session, before: datetime) -> tuple[int, bool]:
        row = BatchRecord
        old = select(row.id).where(~row.is_open, row.ended_at < before).limit(CHUNK)
        number = len(session.scalars(delete(row).where(row.id.in_(old)).returning(row.id)).all())
        return number, number == CHUNK

    def _forget_runs(self, session: Session, before: datetime) -> tuple[int, bool]:
        row = ScheduleRunRecord
        old = select(row.id).where(row.state != DUE, row.created_at < before).limit(CHUNK)
        number = len(session.scalars(delete(row).where(row.id.in_(old)).returning(row.id)).all())
        return number, number == CHUNK

    def _forget_reports(self, session: Session, before: datetime) -> tuple[int, bool]:
        """As long as the runs that have begun them."""
        row = ReportDeliveryRecord
        old = select(row.id).where(row.ended_at < before).limit(CHUNK)
        number = len(session.scalars(delete(row).where(row.id.in_(old)).returning(row.id)).all())
        return number, number == CHUNK
