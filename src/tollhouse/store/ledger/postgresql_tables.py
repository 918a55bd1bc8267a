"""The ledger's tables on PostgreSQL: what need not wait for an answer is sent together."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

import orjson
import psycopg

from tollhouse.domain.ledger import Entry
from tollhouse.store.ledger.documents import write_entries
from tollhouse.store.ledger.rows import ENTRY_COLUMNS, HOLD_COLUMNS, Values
from tollhouse.store.ledger.tables import BUDGETS_LOCK, Opened

_SHARE_BUDGETS = f"SELECT pg_advisory_xact_lock_shared({BUDGETS_LOCK})"
_NOW_AND_VERSION = "SELECT now(), version FROM change_counter"
_END_HOLDS = "DELETE FROM holds WHERE id = ANY(%s) RETURNING id, taken"
_LOCK_WINDOWS = "SELECT id, spent + held FROM budget_windows WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
_MOVE = (
    "UPDATE budget_windows SET spent = spent + d.to_spent, held = held + d.to_held "
    "FROM json_to_recordset(%s::json) AS d(id text, to_spent bigint, to_held bigint) WHERE budget_windows.id = d.id"
)
_CHECKPOINT = (
    "UPDATE holds SET checkpoint = d.value, checkpoint_at = now(), sent_at = coalesce(sent_at, now()) "
    "FROM json_each(%s::json) AS d WHERE holds.id = d.key"
)


def _insert(table: str, columns: Sequence[str]) -> LiteralString:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, %s::json)"  # noqa: S608 - our own names


_INSERT_HOLDS = _insert("holds", HOLD_COLUMNS)
_INSERT_ENTRIES = _insert("ledger", ENTRY_COLUMNS)


class PostgresqlTables:
    """A row of a group costs a quarter as one record of a JSON parameter than as a statement of its own."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def open(self, ended: Sequence[str]) -> Opened:
        execute = self._connection.execute
        with self._connection.pipeline():
            execute(_SHARE_BUDGETS)
            told = execute(_NOW_AND_VERSION)
            deleted = execute(_END_HOLDS, (list(ended),)) if ended else None
            now, version = told.fetchone() or (datetime.now(UTC), -1)
            taken = deleted.fetchall() if deleted else []
        return Opened(now.astimezone(UTC), version, dict(taken))

    def lock_windows(self, ids: Sequence[str]) -> dict[str, int]:
        return dict(self._connection.execute(_LOCK_WINDOWS, (list(ids),)).fetchall())

    def commit(self, moves: Mapping[str, tuple[int, int]], holds: Sequence[Values], entries: Sequence[Values]) -> None:
        execute = self._connection.execute
        with self._connection.pipeline():
            if moves:
                rows = [{"id": id, "to_spent": spent, "to_held": held} for id, (spent, held) in moves.items()]
                execute(_MOVE, (orjson.dumps(rows).decode(),))
            if holds:
                execute(_INSERT_HOLDS, (_records(HOLD_COLUMNS, holds),))
            if entries:
                execute(_INSERT_ENTRIES, (_records(ENTRY_COLUMNS, entries),))
            self._connection.commit()

    def checkpoint(self, known: Mapping[str, Entry]) -> None:
        self._connection.execute(_CHECKPOINT, (write_entries(known),))

    def moment(self, value: datetime) -> datetime:
        return value

    def document(self, value: Any) -> Any:
        return value


def _records(columns: Sequence[str], rows: Sequence[Values]) -> str:
    return orjson.dumps([dict(zip(columns, row, strict=True)) for row in rows]).decode()
