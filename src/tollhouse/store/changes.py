"""The change counter: how every process learns that keys, providers, models or budgets changed."""

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Session

from tollhouse.store.records import ChangeCounterRecord


def announce(session: Session) -> None:
    """Count a change, in the transaction that makes it."""
    session.execute(update(ChangeCounterRecord).values(version=ChangeCounterRecord.version + 1))


def current_version(session: Session | Connection) -> int:
    """The number of changes so far."""
    return session.execute(select(ChangeCounterRecord.version)).scalar_one()
