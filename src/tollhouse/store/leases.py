"""Leases in SQL: how something is done by one process only, without Redis."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tollhouse.store.database import Database
from tollhouse.store.records import LeaseRecord


class Leases:
    """Times are the database's, so hosts whose clocks differ agree."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, owner: str, seconds: float) -> bool:
        """Take or renew; True while `owner` has the lease, for so many seconds from now."""
        with self._database.write() as session:
            return self.take_in(session, name, owner, seconds)

    def take_in(self, transaction: Session | Connection, name: str, owner: str, seconds: float) -> bool:
        """The same, as part of a transaction of the caller's."""
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        now = self._database.now(transaction)
        until = now + timedelta(seconds=seconds)
        # Whether a row comes back tells who has it: a driver need not say how many rows it changed.
        taken = (
            dialect.insert(LeaseRecord)
            .values(name=name, owner=owner, until=until)
            .on_conflict_do_update(
                index_elements=[LeaseRecord.name],
                set_={"owner": owner, "until": until},
                where=or_(
                    LeaseRecord.owner == owner,
                    LeaseRecord.until < now,
                    # Nobody takes one for so long: the clock was set back, and it would hold for that much longer.
                    LeaseRecord.until > now + timedelta(seconds=2 * seconds),
                ),
            )
            .returning(LeaseRecord.name)
        )
        return transaction.execute(taken).scalar() is not None

    def held(self, names: Iterable[str], longest: float) -> set[str]:
        """Those of the names whose lease runs. `longest` is for how many seconds one is taken: one that runs for
        twice as long is of a clock that was set back.
        """
        with self._database.read() as session:
            now = self._database.now(session)
            running = select(LeaseRecord.name).where(
                LeaseRecord.name.in_(list(names)),
                LeaseRecord.until >= now,
                LeaseRecord.until <= now + timedelta(seconds=2 * longest),
            )
            return set(session.scalars(running))

    def count(self, prefix: str, longest: float) -> int:
        """How many leases run whose names begin so; `longest` as for `held`."""
        with self._database.read() as session:
            now = self._database.now(session)
            running = select(func.count()).where(
                LeaseRecord.name.startswith(prefix, autoescape=True),
                LeaseRecord.until >= now,
                LeaseRecord.until <= now + timedelta(seconds=2 * longest),
            )
            return session.scalar(running) or 0

    def release(self, name: str, owner: str) -> None:
        """Give the lease up, if `owner` has it."""
        with self._database.write() as session:
            session.execute(delete(LeaseRecord).where(LeaseRecord.name == name, LeaseRecord.owner == owner))
