"""The ledger's bill, made again from its rows, archived or not: each has the counts and unit prices it was made of."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from tollhouse.domain.ledger import PROCESS_DIED
from tollhouse.domain.money import Prices
from tollhouse.domain.usage import Usage
from tollhouse.store.archive import NO_ARCHIVE, Archive
from tollhouse.store.database import Database
from tollhouse.store.ledger.rows import ADJUSTMENT, CALL
from tollhouse.store.records import LedgerRecord

CHUNK = 2000
"""Rows that are read at once."""
SHOWN = 20
"""Rows that do not add up and are named."""


@dataclass(slots=True)
class Replayed:
    """Sums in nano-dollars. `different` names the first requests whose rows do not add up to their cost.

    `by_setting` are attempts of processes that died: TOLLHOUSE_UNKNOWN_CALLS says what those cost, not their counts.
    """

    attempts: int = 0
    booked: int = 0
    computed: int = 0
    unpriced: int = 0
    by_setting: int = 0
    differing: int = 0
    different: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        return self.booked == self.computed and not self.differing


class Replay:
    """Reads and changes nothing."""

    def __init__(self, database: Database, archive: Archive = NO_ARCHIVE) -> None:
        self._database = database
        self._archive = archive

    def run(self) -> Replayed:
        """Compute what every attempt cost, its corrections with it, and compare that with what was booked."""
        with self._database.read() as session:
            archived_until = self._archive.until(session)
        corrections = self._corrections(archived_until)
        told = Replayed()
        for row in self._calls(archived_until):
            rows = [row, *corrections.get((row.request_id, row.attempt), ())]
            prices = _prices(row)
            if prices is None:
                told.unpriced += 1
                continue
            booked = sum(one.cost or 0 for one in rows)
            computed = prices.cost(_usage(rows))
            if booked != computed and row.outcome == PROCESS_DIED and len(rows) == 1:
                told.by_setting += 1
                computed = booked
            elif booked != computed:
                told.differing += 1
                told.different = (*told.different, row.request_id)[:SHOWN]
            told.attempts += 1
            told.booked += booked
            told.computed += computed
        return told

    def _corrections(self, archived_until: datetime | None) -> dict[tuple[str, int], list[LedgerRecord]]:
        found = defaultdict(list)
        for row in self._archived():
            if row.kind == ADJUSTMENT:
                found[row.request_id, row.attempt].append(row)
        with self._database.read() as session:
            for row in session.scalars(
                select(LedgerRecord).where(LedgerRecord.kind == ADJUSTMENT, *_since(archived_until))
            ):
                found[row.request_id, row.attempt].append(row)
        return found

    def _archived(self) -> Iterator[LedgerRecord]:
        with self._database.read() as session:
            for row in self._archive.rows(session):
                yield LedgerRecord(**row)

    def _calls(self, archived_until: datetime | None) -> Iterator[LedgerRecord]:
        yield from (row for row in self._archived() if row.kind == CALL)
        last = ""
        while True:
            with self._database.read() as session:
                of_calls = select(LedgerRecord).where(
                    LedgerRecord.kind == CALL, LedgerRecord.id > last, *_since(archived_until)
                )
                rows = list(session.scalars(of_calls.order_by(LedgerRecord.id).limit(CHUNK)))
            yield from rows
            if len(rows) < CHUNK:
                return
            last = rows[-1].id


def _since(archived_until: datetime | None) -> list[ColumnElement[bool]]:
    """What the archive does not have."""
    return [] if archived_until is None else [LedgerRecord.booked_at >= archived_until]


def _prices(row: LedgerRecord) -> Prices | None:
    tokens = (row.input_price, row.cache_read_price, row.cache_write_price, row.output_price)
    known = [price for price in tokens if price is not None]
    return Prices(known[0], known[1], known[2], known[3], row.unit_price) if len(known) == len(tokens) else None


def _usage(rows: list[LedgerRecord]) -> Usage:
    return Usage(
        input=sum(row.input_tokens for row in rows),
        cache_read=sum(row.cache_read_tokens for row in rows),
        cache_write=sum(row.cache_write_tokens for row in rows),
        output=sum(row.output_tokens for row in rows),
        units=sum(row.units for row in rows),
    )
