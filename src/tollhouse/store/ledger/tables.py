"""The ledger's tables as a group commit uses them: few statements, each over a whole group.

The frequent ones are strings on the driver's own cursor: SQLAlchemy took 0.4 ms more for a group and 20 to 50 us
more for each of its calls (docs/explanation/performance.md). The rare ones are here, in the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Row, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from tollhouse.domain.ledger import PROCESS_DIED, Entry
from tollhouse.store.ledger.budget_book import Window
from tollhouse.store.ledger.rows import ADJUSTMENT, CALL, Stored, Values
from tollhouse.store.records import BudgetWindowRecord, LedgerRecord

BUDGETS_LOCK = 7_083_001
"""PostgreSQL advisory lock: group commits share it, the making of a budget takes it alone."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A group's transaction, begun: the database's time, its version, and what ended holds had taken, by hold."""

    now: datetime
    version: int
    taken: dict[str, dict[str, int]]


class Tables(Stored, Protocol):
    """Within one transaction of one connection. Raises what the driver raises."""

    def open(self, ended: Sequence[str]) -> Opened:
        """Delete the holds of these ids that are there; budgets stay as they are until the transaction ends."""

    def lock_windows(self, ids: Sequence[str]) -> dict[str, int]:
        """Lock in the order of ids, as everyone does; what is spent and held in each."""

    def commit(self, moves: Mapping[str, tuple[int, int]], holds: Sequence[Values], entries: Sequence[Values]) -> None:
        """Add to (spent, held) of each window in the order of ids, insert the rows, and commit."""

    def checkpoint(self, known: Mapping[str, Entry]) -> None:
        """Write what is known of open calls, by hold: one statement."""


_windows = cast(Table, BudgetWindowRecord.__table__)
_ledger = cast(Table, LedgerRecord.__table__)
_corrections = _ledger.alias()
_UNCORRECTED = select(_ledger).where(
    _ledger.c.request_id.in_(bindparam("ids", expanding=True)),
    _ledger.c.kind == CALL,
    _ledger.c.outcome == PROCESS_DIED,
    ~select(_corrections.c.id)
    .where(
        _corrections.c.request_id == _ledger.c.request_id,
        _corrections.c.attempt == _ledger.c.attempt,
        _corrections.c.kind == ADJUSTMENT,
    )
    .exists(),
)


def make_windows(connection: Connection, windows: Mapping[str, Window]) -> None:
    """Rows for periods that nobody has spent in yet; another process may have been first."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [
        {"id": id, "budget_id": windows[id].budget.id, "starts_at": windows[id].starts_at, "spent": 0, "held": 0}
        for id in sorted(windows)
    ]
    connection.execute(dialect.insert(_windows).on_conflict_do_nothing(index_elements=["id"]), rows)


def uncorrected(connection: Connection, request_ids: list[str]) -> Sequence[Row[Any]]:
    """Of these calls, those booked for a dead process that nobody has corrected yet."""
    return connection.execute(_UNCORRECTED, {"ids": request_ids}).all()
