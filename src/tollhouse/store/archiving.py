"""Moving rows of days long ago from the ledger to its archive: none is lost, none is there twice, whenever this dies.

A day's file is written and synced first; then a row says that it counts, in a transaction of its own, and from then on
nobody reads the day from the ledger; then its rows are deleted there, a few at a time. A file without a row counts for
nothing, and rows of a day that is archived are deleted by whoever comes next.
"""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tollhouse import crash_points, logs
from tollhouse.domain.errors import Unavailable
from tollhouse.store.archive import COLUMNS, check_installed
from tollhouse.store.database import Database
from tollhouse.store.records import ArchivedDayRecord, LedgerRecord, RolledDayRecord

if TYPE_CHECKING:
    import pyarrow as pa

READ_AT_ONCE = 20_000
DELETED_AT_ONCE = 500
"""Rows of one transaction: keeps SQLite's write lock under 50 ms."""
ORPHAN_SECONDS = 86_400
_DAY = timedelta(days=1)


class Archiving:
    """Writes to `folder`, which is made where it is not there."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
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
                .values(day=day, file=file.name, rows=rows, archived_at=self._database.now(session))
                .on_conflict_do_nothing()
                .returning(ArchivedDayRecord.day)
            )
        crash_points.reach("archive counts")
        if mine is None:
            file.unlink()
        return mine is not None

    def _write(self, day: date) -> tuple[Path, int]:
        """The day's file, on the disk, and how many rows it has."""
        check_installed()
        import pyarrow.parquet as pq

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / f"ledger-{day.isoformat()}-{secrets.token_hex(6)}.parquet"
        draft = file.with_suffix(".part")
        schema = _schema()
        rows = cost = 0
        try:
            with draft.open("xb") as out:
                os.fchmod(out.fileno(), 0o600)
                with pq.ParquetWriter(out, schema, compression="zstd") as writer:
                    for chunk in self._rows(day):
                        writer.write_table(_table(chunk, schema))
                        rows += len(chunk)
                        cost += sum(row[_COST] or 0 for row in chunk)
                out.flush()
                os.fsync(out.fileno())
            self._check(draft, rows, cost)
            draft.replace(file)
        except OSError as error:
            raise Unavailable(f"The archive cannot be written: {error.strerror or error}.") from error
        finally:
            draft.unlink(missing_ok=True)
        _sync(self._folder)
        return file, rows

    def _check(self, draft: Path, rows: int, cost: int) -> None:
        """What was written must be readable and add up before anything is deleted."""
        import pyarrow.parquet as pq

        costs = pq.read_table(draft, columns=["cost"])["cost"].to_pylist()
        if len(costs) != rows or sum(one or 0 for one in costs) != cost:
            raise Unavailable(f"The archive's file {draft.name} does not have what was written to it.")

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
        for pattern in ("ledger-*.parquet", "ledger-*.part"):
            for file in self._folder.glob(pattern):
                with suppress(FileNotFoundError):
                    if file.name not in known and time.time() - file.stat().st_mtime > ORPHAN_SECONDS:
                        file.unlink()


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


def _sync(folder: Path) -> None:
    """So that a file stays there whatever happens to the machine. Some file systems of a network cannot."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
