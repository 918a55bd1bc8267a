"""What is left of somebody who was deleted, in tables that stay: whom their calls were made for, and what they called
their files. The ledger keeps amounts, under ids that nobody has any more.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import PurePath
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from tollhouse.services.batches.files import BATCH_OUTPUT
from tollhouse.services.reports.usage_sums import sums_of_ledger
from tollhouse.store.database import Database
from tollhouse.store.records import (
    ApiKeyRecord,
    ArchivedDayRecord,
    DailyEndUserUsageRecord,
    FileRecord,
    ForgettingRecord,
    HoldRecord,
    LedgerRecord,
    RolledDayRecord,
    UserRecord,
)
from tollhouse.store.records.daily_usage import Sums

SETTLED_AFTER = timedelta(minutes=1)
"""How long after somebody was deleted nobody can begin a call as them any more, however late a process hears of it."""
READ_AT_ONCE = 10_000
CHUNK = 200
"""Rows that are changed at once: keeps SQLite's write lock under 50 ms."""
NOBODY = ""
"""Whom the sums of a day are for where calls named nobody."""
Conditions = tuple[ColumnElement[bool], ...]
_SUMS = tuple(name for name in Sums.__annotations__)


class Forgetting:
    """Whom somebody's own calls were made for is most often themselves; what teams' keys do is the teams'. Idempotent:
    what dies in the middle is gone on with.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def any_due(self) -> bool:
        """Whether anybody is to be forgotten."""
        with self._database.read() as session:
            return session.scalar(select(ForgettingRecord.user_id).limit(1)) is not None

    def run(self) -> int:
        """Forget whoever is to be forgotten, as far as that can be done now; how many are done with for good.

        Not yet while calls of theirs are open, which are still to be booked, nor of a day that is about to be added up.
        """
        with self._database.read() as session:
            people = list(session.scalars(select(ForgettingRecord).order_by(ForgettingRecord.user_id)))
        return sum(self._forget(one) for one in people)

    def _forget(self, one: ForgettingRecord) -> bool:
        accounts = self._accounts(one.user_id)
        is_over = self._no_more_calls(one, accounts)
        self._rename_files(accounts)
        self._unname_archived(one.email)
        for rows in self._naming(accounts, one.email):
            self._unname_all(rows)
        if not is_over or any(self._found(rows, 1) for rows in self._naming(accounts, one.email)):
            return False
        with self._database.write() as session:
            session.execute(delete(ForgettingRecord).where(ForgettingRecord.user_id == one.user_id))
        return True

    def _accounts(self, user_id: str) -> list[str]:
        """What their own calls were booked on: themselves, and keys that were theirs."""
        with self._database.read() as session:
            own = session.scalars(select(ApiKeyRecord.id).where(ApiKeyRecord.user_id == user_id))
            return [user_id, *own]

    def _no_more_calls(self, one: ForgettingRecord, accounts: Sequence[str]) -> bool:
        with self._database.read() as session:
            if self._database.now(session) < one.asked_at + SETTLED_AFTER:
                return False
            return session.scalar(select(HoldRecord.id).where(HoldRecord.key_id.in_(accounts)).limit(1)) is None

    def _rename_files(self, accounts: Sequence[str]) -> None:
        """A file is the team's, and its content too; what somebody called it goes with them."""
        last = ""
        while True:
            theirs = select(FileRecord).where(
                FileRecord.key_id.in_(accounts), FileRecord.purpose != BATCH_OUTPUT, FileRecord.id > last
            )
            with self._database.write() as session:
                files = list(session.scalars(theirs.order_by(FileRecord.id).limit(CHUNK)))
                for file in files:
                    file.filename = f"deleted{_ending(file.filename)}"
            if len(files) < CHUNK:
                return
            last = files[-1].id

    def _naming(self, accounts: Sequence[str], email: str) -> Iterator[Conditions]:
        """Rows of the ledger with an end user, of their accounts, or who is told by their address: each as an index
        finds them.
        """
        for account in accounts:
            yield LedgerRecord.end_user.is_not(None), LedgerRecord.key_id == account
        is_them, table = func.lower(LedgerRecord.end_user) == email, DailyEndUserUsageRecord
        with self._database.read() as session:
            days = session.execute(select(table.day, table.team_id).where(func.lower(table.end_user) == email)).all()
            last = session.scalar(select(func.max(RolledDayRecord.day)))
        for day, team_id in days:
            start = _midnight(day)
            yield (
                is_them,
                LedgerRecord.team_id == team_id,
                LedgerRecord.booked_at >= start,
                LedgerRecord.booked_at < start + timedelta(days=1),
            )
        yield (is_them,) if last is None else (is_them, LedgerRecord.booked_at >= _midnight(last) + timedelta(days=1))

    def _unname_archived(self, email: str) -> None:
        """Of days whose rows are in the archive, which names no end users: their sums, where these are told by address.
        Which other names were theirs nobody knows any more.
        """
        table, last = DailyEndUserUsageRecord, select(func.max(ArchivedDayRecord.day)).scalar_subquery()
        asked = select(table).where(func.lower(table.end_user) == email, table.day <= last).limit(CHUNK)
        while True:
            with self._database.write() as session:
                rows = list(session.scalars(asked))
                for row in rows:
                    sums = [getattr(row, name) for name in _SUMS]
                    _move(session, row.day, row.team_id, row.end_user, sums)
            if len(rows) < CHUNK:
                return

    def _found(self, rows: Conditions, most: int) -> list[tuple[str, date]]:
        """Their ids and days."""
        with self._database.read() as session:
            asked = select(LedgerRecord.id, LedgerRecord.booked_at).where(*rows).limit(most)
            return [(id, at.astimezone(UTC).date()) for id, at in session.execute(asked)]

    def _unname_all(self, rows: Conditions) -> None:
        """Those of days that were added up, or that are not over: the others' time is soon."""
        while True:
            found = self._found(rows, READ_AT_ONCE)
            with self._database.read() as session:
                today, rolled = self._database.now(session).date(), {*session.scalars(select(RolledDayRecord.day))}
            by_day: dict[date, list[str]] = {}
            for id, day in found:
                if day in rolled or day >= today:
                    by_day.setdefault(day, []).append(id)
            for day, ids in by_day.items():
                for start in range(0, len(ids), CHUNK):
                    self._unname(ids[start : start + CHUNK], day)
            if len(found) < READ_AT_ONCE or not by_day:
                return

    def _unname(self, ids: Sequence[str], day: date) -> None:
        """Take the end users of these rows, which are of one day, and move what they were counted with to nobody."""
        named = (LedgerRecord.id.in_(ids), LedgerRecord.end_user.is_not(None))
        with self._database.write() as session:
            if session.get(RolledDayRecord, day) is not None:
                group = (LedgerRecord.team_id, LedgerRecord.end_user)
                for team_id, end_user, *sums in session.execute(
                    select(*group, *sums_of_ledger()).where(*named).group_by(*group)
                ).all():
                    _move(session, day, team_id, end_user, sums)
            session.execute(
                update(LedgerRecord).where(*named).values(end_user=None),
                execution_options={"synchronize_session": False},
            )


def remember_to_forget(session: Session, user: UserRecord, at: datetime) -> None:
    """Have it done, in the transaction that deletes them."""
    session.add(ForgettingRecord(user_id=user.id, email=user.email, asked_at=at))


def _move(session: Session, day: date, team_id: str, end_user: str, sums: Sequence[Any]) -> None:
    table = DailyEndUserUsageRecord
    named = session.get(table, (day, team_id, end_user), with_for_update=True)
    if named is None:  # the day was added up before end users were told apart
        return
    nobody = session.get(table, (day, team_id, NOBODY), with_for_update=True)
    if nobody is None:
        nobody = table(day=day, team_id=team_id, end_user=NOBODY, **dict.fromkeys(_SUMS, 0))
        session.add(nobody)
    for name, number in zip(_SUMS, sums, strict=True):
        setattr(named, name, getattr(named, name) - int(number or 0))
        setattr(nobody, name, getattr(nobody, name) + int(number or 0))
    if not any(getattr(named, name) for name in _SUMS):
        session.delete(named)
    session.flush()


def _ending(filename: str) -> str:
    """What says of which kind a file is, where it is no more than that."""
    ending = PurePath(filename).suffix.lower()
    return ending if ending[1:].isalnum() and len(ending) < 8 else ""


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
