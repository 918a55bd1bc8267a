"""The ledger's tables on SQLite."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from tollhouse.domain.ledger import Entry
from tollhouse.store.ledger.documents import write_entries
from tollhouse.store.ledger.rows import ENTRY_COLUMNS, HOLD_COLUMNS, Values
from tollhouse.store.ledger.tables import Opened

_VERSION = "SELECT version FROM change_counter"
_END_HOLDS = "DELETE FROM holds WHERE id IN (SELECT value FROM json_each(?)) RETURNING id, taken"
_WINDOWS = "SELECT id, spent + held FROM budget_windows WHERE id IN (SELECT value FROM json_each(?))"
_MOVE = "UPDATE budget_windows SET spent = spent + ?, held = held + ? WHERE id = ?"
_CHECKPOINT = (
    "UPDATE holds SET checkpoint = d.value, checkpoint_at = ?1, sent_at = coalesce(sent_at, ?1) "
    "FROM json_each(?2) AS d WHERE holds.id = d.key"
)


def _insert(table: str, columns: Sequence[str]) -> str:
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - our own names


_INSERT_HOLDS = _insert("holds", HOLD_COLUMNS)
_INSERT_ENTRIES = _insert("ledger", ENTRY_COLUMNS)


class SqliteTables:
    """`outside` runs the commit, which waits for the disk, where that holds up nobody else."""

    def __init__(self, connection: sqlite3.Connection, outside: Callable[[Callable[[], None]], object]) -> None:
        self._connection = connection
        self._outside = outside

    def open(self, ended: Sequence[str]) -> Opened:
        execute = self._connection.execute
        (version,) = execute(_VERSION).fetchone()
        taken = execute(_END_HOLDS, (_array(ended),)).fetchall() if ended else ()
        return Opened(datetime.now(UTC), version, {id: orjson.loads(text) for id, text in taken})

    def lock_windows(self, ids: Sequence[str]) -> dict[str, int]:
        # All of SQLite is locked already.
        return dict(self._connection.execute(_WINDOWS, (_array(ids),)).fetchall())

    def commit(self, moves: Mapping[str, tuple[int, int]], holds: Sequence[Values], entries: Sequence[Values]) -> None:
        write = self._connection.executemany
        if moves:
            write(_MOVE, [(spent, held, id) for id, (spent, held) in moves.items()])
        if holds:
            write(_INSERT_HOLDS, holds)
        if entries:
            write(_INSERT_ENTRIES, entries)
        self._outside(self._connection.commit)

    def checkpoint(self, known: Mapping[str, Entry]) -> None:
        self._connection.execute(_CHECKPOINT, (self.moment(datetime.now(UTC)), write_entries(known)))

    def moment(self, value: datetime) -> str:
        """As SQLAlchemy's DateTime writes it: UTC, without saying so."""
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")

    def document(self, value: Any) -> str:
        return orjson.dumps(value).decode()


def _array(values: Sequence[str]) -> str:
    return orjson.dumps(values).decode()
