"""The roll-up of the ledger: each UTC day that is over, added up once."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Label, func, insert, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from tollhouse.services.reports.local_days import CUTS
from tollhouse.services.reports.usage_question import between, moment_of_piece, time_piece
from tollhouse.services.reports.usage_sums import NAMES, sums_of_ledger
from tollhouse.store.database import Database
from tollhouse.store.records import (
    DailyEndUserUsageRecord,
    DailyUsageRecord,
    HourlyUsageRecord,
    LedgerRecord,
    PartHourUsageRecord,
    RolledDayRecord,
)

SETTLE_MARGIN = timedelta(minutes=10)
"""How long after midnight a day is taken to be over: longer than any transaction that began before it."""


class RollUp:
    """Idempotent: a day that is rolled stays as it is, for rows are booked at the time they are written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    def run(self) -> list[date]:
        """Roll up every day that is due, a transaction each; the days that were added."""
        added = []
        while (day := self._next_day()) is not None:
            self._roll(day)
            added.append(day)
        return added

    def _next_day(self) -> date | None:
        with self._database.read() as session:
            now = self._database.now(session)
            last: date | None = session.scalar(select(func.max(RolledDayRecord.day)))
            if last is None:
                first: datetime | None = session.scalar(select(func.min(LedgerRecord.booked_at)))
                day = None if first is None else first.date()
            else:
                day = last + timedelta(days=1)
        if day is None or _start(day + timedelta(days=1)) + SETTLE_MARGIN > now:
            return None
        return day

    def _roll(self, day: date) -> None:
        # Read before the write lock is taken: the day is over, so nothing can change in between.
        usage, of_end_users, hours = self._sums(day, _GROUP), self._sums(day, _END_USERS), self._hours(day)
        parts = self._parts({row["hour"] for row in hours})
        with self._database.write() as session:
            # Whoever is first adds the day up; the other waits here for its commit, and then adds nothing.
            mine = session.scalar(
                self._insert(RolledDayRecord)
                .values(day=day, parts=True)
                .on_conflict_do_nothing()
                .returning(RolledDayRecord.day)
            )
            if mine and usage:
                session.execute(insert(DailyUsageRecord), usage)
                session.execute(insert(DailyEndUserUsageRecord), of_end_users)
                session.execute(insert(HourlyUsageRecord), hours)
            if mine and parts:
                session.execute(insert(PartHourUsageRecord), parts)

    def _sums(self, day: date, group: Sequence[Any]) -> list[dict[str, Any]]:
        names = ["day", *(column.name for column in group), *NAMES]
        with self._database.read() as session:
            rows = session.execute(select(*group, *sums_of_ledger()).where(*_of(day)).group_by(*group)).all()
        return [dict(zip(names, (day, *row), strict=True)) for row in rows]

    def _hours(self, day: date) -> list[dict[str, Any]]:
        with self._database.read() as session:
            group = (time_piece(session, 60), *_HOURLY)
            asked = select(*group, *sums_of_ledger()).where(*_of(day)).group_by(*group)
            rows = session.execute(asked).all()
        names = ["hour", *(column.name for column in _HOURLY), *NAMES]
        return [dict(zip(names, (moment_of_piece(row[0], 60), *row[1:]), strict=True)) for row in rows]

    def _parts(self, hours: Iterable[datetime]) -> list[dict[str, Any]]:
        """Of those of these hours in which days of some zone begin."""
        names = ["hour", "minutes", *(column.name for column in _HOURLY), *NAMES]
        found: list[dict[str, Any]] = []
        with self._database.read() as session:
            for hour, minutes in ((hour, minutes) for hour in hours for of, minutes in CUTS if of == hour.hour):
                of_part = between(hour, hour + timedelta(minutes=minutes))
                rows = session.execute(select(*_HOURLY, *sums_of_ledger()).where(*of_part).group_by(*_HOURLY))
                found += [dict(zip(names, (hour, minutes, *row), strict=True)) for row in rows]
        return found


def _or_nothing(column: Any, name: str) -> Label[str]:
    return func.coalesce(column, literal_column("''")).label(name)


_GROUP = (
    LedgerRecord.key_id,
    LedgerRecord.team_id,
    _or_nothing(LedgerRecord.user_id, "user_id"),
    LedgerRecord.model,
    LedgerRecord.provider,
    LedgerRecord.tags,
)
_END_USERS = (LedgerRecord.team_id, _or_nothing(LedgerRecord.end_user, "end_user"))
_HOURLY = (LedgerRecord.team_id, LedgerRecord.model, LedgerRecord.provider)


def _of(day: date) -> list[ColumnElement[bool]]:
    return [LedgerRecord.booked_at >= _start(day), LedgerRecord.booked_at < _start(day + timedelta(days=1))]


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
