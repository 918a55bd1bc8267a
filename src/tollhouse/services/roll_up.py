"""The roll-up of the ledger: each UTC day that is over, added up once."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import func, insert, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from tollhouse.services.usage import sums_of_ledger
from tollhouse.store.database import Database
from tollhouse.store.records import DailyUsageRecord, LedgerRecord, RolledDayRecord

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
        user = func.coalesce(LedgerRecord.user_id, literal_column("''")).label("user_id")
        group = (
            LedgerRecord.key_id,
            LedgerRecord.team_id,
            user,
            LedgerRecord.model,
            LedgerRecord.provider,
            LedgerRecord.tags,
        )
        names = ["day", *(column.name for column in group), *_SUMS]
        with self._database.read() as session:
            # Read before the write lock is taken: the day is over, so nothing can change in between.
            rows = session.execute(
                select(*group, *sums_of_ledger())
                .where(
                    LedgerRecord.booked_at >= _start(day),
                    LedgerRecord.booked_at < _start(day + timedelta(days=1)),
                )
                .group_by(*group)
            ).all()
        with self._database.write() as session:
            # Whoever is first adds the day up; the other waits here for its commit, and then adds nothing.
            mine = session.scalar(
                self._insert(RolledDayRecord).values(day=day).on_conflict_do_nothing().returning(RolledDayRecord.day)
            )
            if mine and rows:
                session.execute(insert(DailyUsageRecord), [dict(zip(names, (day, *row), strict=True)) for row in rows])


_SUMS = (
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost",
    "unpriced",
)


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
