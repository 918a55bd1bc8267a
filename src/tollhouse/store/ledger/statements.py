"""The SQL of the ledger: few statements, each over a whole group."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection, Row, Table, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from tollhouse.domain.ledger import PROCESS_DIED, Entry
from tollhouse.store.columns import Instant
from tollhouse.store.ledger.budget_book import Window
from tollhouse.store.ledger.documents import write_entries
from tollhouse.store.records import BudgetWindowRecord, ChangeCounterRecord, HoldRecord, LedgerRecord

BUDGETS_LOCK = 7_083_001
"""PostgreSQL advisory lock: group commits share it, the making of a budget takes it alone."""

_windows = cast(Table, BudgetWindowRecord.__table__)
_holds = cast(Table, HoldRecord.__table__)
_ledger = cast(Table, LedgerRecord.__table__)

_SHARE_BUDGETS = text(f"SELECT pg_advisory_xact_lock_shared({BUDGETS_LOCK})")
_NOW_AND_VERSION = select(func.now(), ChangeCounterRecord.version)
_VERSION = select(ChangeCounterRecord.version)
_LOCK_WINDOWS = (
    select(_windows.c.id, _windows.c.spent, _windows.c.held)
    .where(_windows.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_windows.c.id)
    .with_for_update()
)
_MOVE = (
    update(_windows)
    .where(_windows.c.id == bindparam("window"))
    .values(spent=_windows.c.spent + bindparam("to_spent"), held=_windows.c.held + bindparam("to_held"))
)
_END_HOLDS = (
    delete(_holds).where(_holds.c.id.in_(bindparam("ids", expanding=True))).returning(_holds.c.id, _holds.c.taken)
)

_CHECKPOINT_SQLITE = text(
    "UPDATE holds SET checkpoint = d.value, checkpoint_at = :now, sent_at = coalesce(sent_at, :now) "
    "FROM json_each(:documents) AS d WHERE holds.id = d.key"
).bindparams(bindparam("now", type_=Instant()))
_CHECKPOINT_POSTGRESQL = text(
    "UPDATE holds SET checkpoint = d.value, checkpoint_at = now(), sent_at = coalesce(sent_at, now()) "
    "FROM json_each(CAST(:documents AS json)) AS d WHERE holds.id = d.key"
)
_corrections = _ledger.alias()
_UNCORRECTED = select(_ledger).where(
    _ledger.c.request_id.in_(bindparam("ids", expanding=True)),
    _ledger.c.kind == "call",
    _ledger.c.outcome == PROCESS_DIED,
    ~select(_corrections.c.id)
    .where(
        _corrections.c.request_id == _ledger.c.request_id,
        _corrections.c.attempt == _ledger.c.attempt,
        _corrections.c.kind == "adjustment",
    )
    .exists(),
)


def begin_group(connection: Connection) -> tuple[datetime, int]:
    """The database's time and the change counter; budgets stay as they are until the transaction ends."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC), connection.execute(_VERSION).scalar_one()
    connection.execute(_SHARE_BUDGETS)
    now, version = connection.execute(_NOW_AND_VERSION).one()
    return now.astimezone(UTC), version


def make_windows(connection: Connection, windows: Mapping[str, Window]) -> None:
    """Rows for periods that nobody has spent in yet; another process may have been first."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [
        {
            "id": id,
            "budget_id": windows[id].budget.id,
            "starts_at": windows[id].starts_at,
            "spent": 0,
            "held": 0,
        }
        for id in sorted(windows)
    ]
    connection.execute(dialect.insert(_windows).on_conflict_do_nothing(index_elements=["id"]), rows)


def lock_windows(connection: Connection, ids: list[str]) -> dict[str, int]:
    """Lock in the order of ids, as everyone does; what is spent and held in each."""
    rows = connection.execute(_LOCK_WINDOWS, {"ids": ids})
    return {row.id: row.spent + row.held for row in rows}


def move(connection: Connection, changes: Mapping[str, tuple[int, int]]) -> None:
    """Add to (spent, held) of each window, in the order of ids."""
    connection.execute(
        _MOVE,
        [{"window": id, "to_spent": changes[id][0], "to_held": changes[id][1]} for id in sorted(changes)],
    )


def end_holds(connection: Connection, ids: list[str]) -> dict[str, dict[str, int]]:
    """Delete holds; of those that were still there, what each had taken from which windows."""
    return {row.id: row.taken for row in connection.execute(_END_HOLDS, {"ids": ids})}


def checkpoint(connection: Connection, known: Mapping[str, Entry]) -> None:
    """Write what is known of open calls, by hold: one statement."""
    sql = _CHECKPOINT_SQLITE if connection.dialect.name == "sqlite" else _CHECKPOINT_POSTGRESQL
    connection.execute(sql, {"documents": write_entries(known), "now": datetime.now(UTC)})


def uncorrected(connection: Connection, request_ids: list[str]) -> Sequence[Row[Any]]:
    """Of these calls, those booked for a dead process that nobody has corrected yet."""
    return connection.execute(_UNCORRECTED, {"ids": request_ids}).all()


def insert_holds(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(_holds), rows)


def insert_entries(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(_ledger), rows)
