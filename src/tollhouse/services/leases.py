"""Leases in SQL: how something is done by one process only, without Redis."""

from datetime import timedelta

from sqlalchemy import delete, or_
from sqlalchemy.dialects import postgresql, sqlite

from tollhouse.store.database import Database
from tollhouse.store.records import LeaseRecord


class Leases:
    """Times are the database's, so hosts whose clocks differ agree."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, owner: str, seconds: float) -> bool:
        """Take or renew; True while `owner` has the lease, for so many seconds from now."""
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        with self._database.write() as session:
            now = self._database.now(session)
            until = now + timedelta(seconds=seconds)
            # Whether a row comes back tells who has it: a driver need not say how many rows it changed.
            taken = (
                dialect.insert(LeaseRecord)
                .values(name=name, owner=owner, until=until)
                .on_conflict_do_update(
                    index_elements=[LeaseRecord.name],
                    set_={"owner": owner, "until": until},
                    where=or_(LeaseRecord.owner == owner, LeaseRecord.until < now),
                )
                .returning(LeaseRecord.name)
            )
            return session.scalar(taken) is not None

    def release(self, name: str, owner: str) -> None:
        """Give the lease up, if `owner` has it."""
        with self._database.write() as session:
            session.execute(delete(LeaseRecord).where(LeaseRecord.name == name, LeaseRecord.owner == owner))
