"""What tests of the ledger need: orders, entries, and what the tables say afterwards."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ledger import Attempt, Entry, HoldOrder, Settlement
from tollhouse.domain.money import Prices
from tollhouse.domain.principal import Scope
from tollhouse.domain.usage import Usage
from tollhouse.services.keys.keys import Keys
from tollhouse.services.keys.mint import KeyMint
from tollhouse.store.database import Database
from tollhouse.store.instances import Instance
from tollhouse.store.ledger.spool import Spool
from tollhouse.store.ledger.writer import LedgerWriter
from tollhouse.store.records import BudgetWindowRecord, HoldRecord, LedgerRecord


def writer_of(database: Database, spool: Path | None = None, kind: str = "web", **options: Any) -> LedgerWriter:
    """A ledger writer of an instance of its own, as in another process. Start it; stop it."""
    instance = Instance(database, kind)
    folder = spool or Path(tempfile.gettempdir()) / f"tollhouse-spool-{instance.id}"  # made when it is needed
    return LedgerWriter(database, instance, Spool(folder, instance.id), **options)


MINT = KeyMint("a secret for tests that is long enough")


def make_key(database: Database) -> str:
    """A key's id."""
    return Keys(database, MINT).create("tests").id


def order(key_id: str, amount: int, *, bounded: bool = True, scopes: tuple[Scope, ...] | None = None) -> HoldOrder:
    attempt = Attempt(new_id("req"), 1, key_id, "m", "p", "m", "chat", False, datetime.now(UTC))
    return HoldOrder(new_id("hold"), attempt, scopes or (("key", key_id),), amount, 10, bounded)


def settlement(held: HoldOrder, cost: int) -> Settlement:
    entry = Entry(held.attempt, 200, "ok", 1, Usage(input=1), Prices(1, 1, 1, 1), cost, 1000, None)
    return Settlement(held.id, entry)


def sums(database: Database) -> tuple[int, int]:
    """(spent, held) over all budget windows."""
    with database.read() as session:
        spent, held = session.execute(
            select(func.sum(BudgetWindowRecord.spent), func.sum(BudgetWindowRecord.held))
        ).one()
    return int(spent or 0), int(held or 0)


def booked(database: Database) -> list[LedgerRecord]:
    with database.read() as session:
        return list(session.scalars(select(LedgerRecord).order_by(LedgerRecord.id)))


def open_holds(database: Database) -> list[HoldRecord]:
    with database.read() as session:
        return list(session.scalars(select(HoldRecord)))
