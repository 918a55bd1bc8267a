"""Lines that are handed over, in SQL: marked, found again, ended, given back."""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from tollhouse.services.batches.lines import DONE, HANDED, WAITING, Line, Result, count
from tollhouse.store.database import Database
from tollhouse.store.records import BatchLineRecord, BatchRecord, BatchResultRecord, HandoverRecord, HoldRecord

CHUNK = 250
"""Lines of one transaction: keeps SQLite's write lock short."""

Keep = Callable[[Session, Result], Result]

_ROW = BatchLineRecord


class HandedLines:
    """Raises what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self, batch_id: str, after: int, most: int) -> Sequence[Line]:
        """The next lines that nobody has called."""
        return self._pick(most, _ROW.batch_id == batch_id, _ROW.state == WAITING, _ROW.number > after)

    def of(self, part: HandoverRecord) -> Iterator[Line]:
        """Those of the handover that have not ended, in order."""
        last = 0
        mine = (_ROW.batch_id == part.batch_id, _ROW.state == HANDED, _ROW.handover_id == part.id)
        while chunk := self._pick(CHUNK, *mine, _ROW.number > last):
            yield from chunk
            last = chunk[-1].number

    def some(self, part: HandoverRecord, numbers: Sequence[int]) -> dict[int, Line]:
        """Those of these that have not ended."""
        mine = (_ROW.batch_id == part.batch_id, _ROW.state == HANDED, _ROW.handover_id == part.id)
        return {line.number: line for line in self._pick(len(numbers), *mine, _ROW.number.in_(numbers))}

    def held(self, part_id: str, ids: Sequence[str]) -> dict[str, HoldRecord]:
        """Those of the holds that are there."""
        with self._database.read() as session:
            rows = session.scalars(select(HoldRecord).where(HoldRecord.instance_id == part_id, HoldRecord.id.in_(ids)))
            return {row.id: row for row in rows}

    def all_held(self, part_id: str, most: int) -> Sequence[str]:
        """Holds of the handover that are there."""
        with self._database.read() as session:
            held = select(HoldRecord.id).where(HoldRecord.instance_id == part_id).limit(most)
            return session.scalars(held).all()

    def mark(
        self, part: HandoverRecord, numbers: Sequence[int], handed_to: int, *, lines: int, size: int, weight: int
    ) -> None:
        """These are a part of it, so many of which are held; of the batch's lines it was decided up to that number."""
        with self._database.write() as session:
            session.execute(
                update(_ROW)
                .where(_ROW.batch_id == part.batch_id, _ROW.number.in_(numbers), _ROW.state == WAITING)
                .values(state=HANDED, handover_id=part.id, attempt=_ROW.attempt + 1)
                .execution_options(synchronize_session=False)
            )
            row = HandoverRecord
            session.execute(
                update(row)
                .where(row.id == part.id)
                .values(lines=row.lines + lines, size=row.size + size, weight=row.weight + weight)
                .execution_options(synchronize_session=False)
            )
            session.execute(update(BatchRecord).where(BatchRecord.id == part.batch_id).values(handed_to=handed_to))

    def finish(self, part: HandoverRecord, results: Sequence[Result], keep: Keep = lambda session, one: one) -> None:
        """These have ended; one that had before changes nothing. `keep` is asked of each in the same transaction, and
        gives how it ended then.
        """
        with self._database.write() as session:
            numbers = [one.line.number for one in results]
            ended = (
                update(_ROW)
                .where(
                    _ROW.batch_id == part.batch_id,
                    _ROW.state == HANDED,
                    _ROW.handover_id == part.id,
                    _ROW.number.in_(numbers),
                )
                .values(state=DONE)
                .returning(_ROW.number)
                .execution_options(synchronize_session=False)
            )
            changed = set(session.scalars(ended))
            mine = [keep(session, one) for one in results if one.line.number in changed]
            if mine:
                session.execute(
                    insert(BatchResultRecord),
                    [
                        {
                            "batch_id": part.batch_id,
                            "number": one.line.number,
                            "succeeded": one.succeeded,
                            "line": one.text,
                        }
                        for one in mine
                    ],
                )
                count(session, part.batch_id, mine)

    def give_back(self, part: HandoverRecord, lines: Sequence[Line]) -> None:
        """These wait to be called here."""
        with self._database.write() as session:
            session.execute(
                update(_ROW)
                .where(
                    _ROW.batch_id == part.batch_id,
                    _ROW.state == HANDED,
                    _ROW.handover_id == part.id,
                    _ROW.number.in_([line.number for line in lines]),
                )
                .values(state=WAITING)
                .execution_options(synchronize_session=False)
            )

    def _pick(self, most: int, *which: object) -> Sequence[Line]:
        columns = (_ROW.batch_id, _ROW.number, _ROW.custom_id, _ROW.start, _ROW.size, _ROW.attempt)
        columns_left = (_ROW.failures, _ROW.deaths)
        with self._database.read() as session:
            wanted = select(*columns, *columns_left).where(*which)  # type: ignore[arg-type]
            return [Line(*row) for row in session.execute(wanted.order_by(_ROW.number).limit(most))]


def hold_id(part_id: str, line: Line) -> str:
    """The same whoever holds it, and how often."""
    return f"{part_id}-{line.number}"


def request_id(part_id: str, line: Line) -> str:
    """By which the line's call is booked, and known to its caller."""
    return f"req_{part_id.partition('_')[2]}-{line.number}"


def number_of(part_id: str, custom_id: str) -> int | None:
    """Of the line that was sent under this id; None for one that is not of this handover."""
    mine, _, number = custom_id.rpartition("-")
    return int(number) if mine == part_id and number.isascii() and number.isdigit() and len(number) < 9 else None
