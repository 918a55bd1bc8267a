"""Moving rows of days long ago from the ledger to its archive: none is lost, none is there twice, whenever this dies.

A day's file is written, to stay, and read again first; then a row says that it counts, in a transaction of its own, and
from then on nobody reads the day from the ledger; then its rows are deleted there, a few at a time. A file without a
row counts for nothing, and rows of a day that is archived are deleted by whoever comes next.
"""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tollhouse import crash_points, logs
from tollhouse.domain.errors import Unavailable
from tollhouse.domain.ports import Blobs, NewBlob
from tollhouse.store.archive import COLUMNS, check_installed, content_of
from tollhouse.store.database import Database
from tollhouse.store.records import ArchivedDayRecord, LedgerRecord, RolledDayRecord

if TYPE_CHECKING:
    import pyarrow as pa

READ_AT_ONCE = 20_000
DELETED_AT_ONCE = 500
"""Rows of one transaction: keeps SQLite's write lock under 50 ms."""
ORPHAN_SECONDS = 86_400
PREFIX = "ledger-"
"""Of the names of its files: what else is in the same place is not touched."""
_DAY = timedelta(days=1)


class Archiving:
    """Writes to `store`."""

    def __init__(self, database: Database, store: Blobs) -> None:
        self._database = database
        self._store = store
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    def run(self, days: int) -> list[date]:
        """Archive every day that is over for so many days and rolled up; the days that were added."""
        added = []
        self._clear()
        while (day := self._next(days)) is not None:
            if self._archive(day):
                added.append(day)
            self._clear()
        return added

    def _next(self, days: int) -> date | None:
        with self._database.read() as session:
            today = self._database.now(session).astimezone(UTC).date()
            last: date | None = session.scalar(select(func.max(ArchivedDayRecord.day)))
            if last is None:
                first: datetime | None = session.scalar(select(func.min(LedgerRecord.booked_at)))
                day = None if first is None else first.astimezone(UTC).date()
            else:
                day = last + _DAY
            if day is None or day + timedelta(days=days) >= today:
                return None
            return day if session.get(RolledDayRecord, day) is not None else None

    def _archive(self, day: date) -> bool:
        """Whether it was this run that archived it: another's file then counts, and this one's is deleted."""
        file, rows = self._write(day)
        crash_points.reach("archived")
        with self._database.write() as session:
            mine = session.scalar(
                self._insert(ArchivedDayRecord)
                .values(day=day, file=file, rows=rows, archived_at=self._database.now(session))
                .on_conflict_do_nothing()
                .returning(ArchivedDayRecord.day)
            )
        crash_points.reach("archive counts")
        if mine is None:
            self._store.delete(file)
        return mine is not None

    def _write(self, day: date) -> tuple[str, int]:
        """The day's file, which is there to stay, and how many rows it has. Raises OutOfSpace, Unavailable."""
        check_installed()
        import pyarrow.parquet as pq

        file = f"{PREFIX}{day.isoformat()}-{secrets.token_hex(6)}.parquet"
        schema = _schema()
        rows = cost = 0
        blob = self._store.create(file)
        try:
            with pq.ParquetWriter(Sink(blob), schema, compression="zstd") as writer:
                for chunk in self._rows(day):
                    writer.write_table(_table(chunk, schema))
                    rows += len(chunk)
                    cost += sum(row[_COST] or 0 for row in chunk)
            blob.keep()
        finally:
            blob.close()
        self._check(file, rows, cost)
        return file, rows

    def _check(self, file: str, rows: int, cost: int) -> None:
        """What was written must be readable and add up before anything is deleted."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            written = pq.read_table(pa.BufferReader(content_of(self._store, file)), columns=["cost"])
        except pa.ArrowInvalid:
            written = None
        costs = [] if written is None else written["cost"].to_pylist()
        if written is None or len(costs) != rows or sum(one or 0 for one in costs) != cost:
            self._store.delete(file)
            raise Unavailable(f"The archive's file {file} does not have what was written to it.")

    def _rows(self, day: date) -> Iterator[Sequence[Sequence[Any]]]:
        """In the order of ids, which is about that of time."""
        last = ""
        columns = [getattr(LedgerRecord, name) for name in COLUMNS]
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        while True:
            asked = select(*columns).where(
                LedgerRecord.booked_at >= start, LedgerRecord.booked_at < start + _DAY, LedgerRecord.id > last
            )
            with self._database.read() as session:
                chunk = session.execute(asked.order_by(LedgerRecord.id).limit(READ_AT_ONCE)).all()
            if chunk:
                yield chunk
            if len(chunk) < READ_AT_ONCE:
                return
            last = chunk[-1].id

    def _clear(self) -> None:
        """Delete from the ledger what the archive has, and files that count for nothing."""
        with self._database.read() as session:
            last: date | None = session.scalar(select(func.max(ArchivedDayRecord.day)))
            known = set(session.scalars(select(ArchivedDayRecord.file)))
        self._clear_files(known)
        if last is None:
            return
        until = datetime(last.year, last.month, last.day, tzinfo=UTC) + _DAY
        deleted = 0
        while True:
            with self._database.write() as session:
                ids = session.scalars(
                    select(LedgerRecord.id).where(LedgerRecord.booked_at < until).limit(DELETED_AT_ONCE)
                ).all()
                session.execute(delete(LedgerRecord).where(LedgerRecord.id.in_(ids)))
            deleted += len(ids)
            if len(ids) < DELETED_AT_ONCE:
                break
        if deleted:
            logs.event("ledger_archived", until=last, rows=deleted)

    def _clear_files(self, known: set[str]) -> None:
        """Of a run that died. Another that goes on has none that is as old."""
        for file in self._store.old(ORPHAN_SECONDS):
            if file.startswith(PREFIX) and file not in known:
                self._store.delete(file)


class Sink:
    """A blob as what writes Parquet wants a file to be. To close it does not keep the blob."""

    closed = False

    def __init__(self, blob: NewBlob) -> None:
        self._blob = blob

    def write(self, data: bytes) -> int:
        self._blob.write(data)
        return len(data)

    def flush(self) -> None:
        """A blob is there when it is kept."""

    def close(self) -> None:
        self.closed = True


_COST = COLUMNS.index("cost")


def _schema() -> "pa.Schema":
    import pyarrow as pa

    kinds = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_(), "object": pa.timestamp("us", tz="UTC")}
    columns = LedgerRecord.__table__.columns
    return pa.schema(
        [pa.field(name, kinds[columns[name].type.python_type.__name__], columns[name].nullable) for name in COLUMNS]
    )


def _table(chunk: Sequence[Sequence[Any]], schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    columns = zip(*chunk, strict=True)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
