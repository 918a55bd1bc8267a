"""The lines of batches in SQL: claimed, given back, finished. An attempt number fences what comes late."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from tollhouse.domain.usage import Usage
from tollhouse.services.batches.batches import IN_PROGRESS
from tollhouse.store.database import Database
from tollhouse.store.records import BatchLineRecord, BatchRecord, BatchResultRecord

WAITING, RUNNING, DONE, HANDED = 0, 1, 2, 3
"""HANDED is at a provider, as a part of a handover."""
LEASE = timedelta(seconds=12)
"""How long a line waits for a process that died, at most; the living say four times as often that they live."""
MOST_TOGETHER = 128
"""Results of one transaction: keeps SQLite's write lock short."""
MOST_BYTES = 1 << 20


NOTHING = Usage()
_K = TypeVar("_K", str, int)


@dataclass(frozen=True, slots=True)
class Line:
    """A claimed line: where it stands in the file, and which attempt this is."""

    batch_id: str
    number: int
    custom_id: str
    start: int
    size: int
    attempt: int
    failures: int
    deaths: int


@dataclass(frozen=True, slots=True)
class Result:
    """How a line ended: a line of a file. `cost` is nano-dollars, None where it is not known."""

    line: Line
    succeeded: bool
    text: bytes
    usage: Usage = NOTHING
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A line that waits again, for so many seconds at least. `failed` counts the attempt against it."""

    line: Line
    seconds: float = 0.0
    failed: bool = False


_lines: Any = BatchLineRecord.__table__
_results: Any = BatchResultRecord.__table__
_CLAIMED = (_lines.c.number, _lines.c.custom_id, _lines.c.start, _lines.c.size, _lines.c.attempt, _lines.c.failures)
_MINE = (
    _lines.c.batch_id == bindparam("of_batch"),
    _lines.c.number == bindparam("of_line"),
    _lines.c.attempt == bindparam("of_attempt"),
    _lines.c.state == RUNNING,
)
_GIVE_BACK = (
    update(_lines)
    .where(*_MINE)
    .values(state=WAITING, lease_until=None, due_at=bindparam("due"), failures=_lines.c.failures + bindparam("more"))
)


class BatchLines:
    """For the process `owner`."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    def claim(self, batch_id: str, most: int) -> list[Line]:
        """Up to so many lines of a batch that is in progress: those of the dead first, then in the file's order."""
        with self._database.write() as session:
            running = select(BatchRecord.id).where(BatchRecord.id == batch_id, BatchRecord.status == IN_PROGRESS)
            if session.scalar(running) is None:
                return []
            now = self._database.now(session)
            lost = self._pick(session, batch_id, most, _lines.c.state == RUNNING, _lines.c.lease_until < now)
            ready = _lines.c.due_at.is_(None) | (_lines.c.due_at <= now)
            rows = [(row, 1) for row in lost]
            if len(lost) < most:
                rows += [
                    (row, 0)
                    for row in self._pick(session, batch_id, most - len(lost), _lines.c.state == WAITING, ready)
                ]
            for died in (1, 0):
                if numbers := [row.number for row, was_lost in rows if was_lost == died]:
                    session.execute(
                        update(_lines)
                        .where(_lines.c.batch_id == batch_id, _lines.c.number.in_(numbers))
                        .values(
                            state=RUNNING,
                            owner=self._owner,
                            lease_until=now + LEASE,
                            attempt=_lines.c.attempt + 1,
                            deaths=_lines.c.deaths + died,
                        )
                    )
            return [
                Line(
                    batch_id,
                    row.number,
                    row.custom_id,
                    row.start,
                    row.size,
                    row.attempt + 1,
                    row.failures,
                    row.deaths + died,
                )
                for row, died in rows
            ]

    def _pick(self, session: Session, batch_id: str, most: int, *which: Any) -> Sequence[Any]:
        wanted = select(*_CLAIMED, _lines.c.deaths).where(_lines.c.batch_id == batch_id, *which)
        return session.execute(wanted.order_by(_lines.c.number).limit(most).with_for_update(skip_locked=True)).all()

    def keep(self, batch_ids: Iterable[str]) -> None:
        """This process lives, and calls its lines of these batches."""
        with self._database.write() as session:
            until = self._database.now(session) + LEASE
            for batch_id in sorted(batch_ids):
                session.execute(
                    update(_lines)
                    .where(_lines.c.batch_id == batch_id, _lines.c.state == RUNNING, _lines.c.owner == self._owner)
                    .values(lease_until=until)
                )

    def give_back(self, given: Sequence[GivenBack]) -> None:
        """These wait again, unless somebody else has taken them meanwhile."""
        with self._database.write() as session:
            now = self._database.now(session)
            for one in _in_order(given):
                due = now + timedelta(seconds=one.seconds) if one.seconds else None
                session.execute(_GIVE_BACK, {**_mine(one.line), "due": due, "more": int(one.failed)})

    def finish(self, results: Sequence[Result]) -> None:
        """These have ended; one that somebody else has taken meanwhile changes nothing."""
        with self._database.write() as session:
            moved: dict[str, list[Result]] = {}
            for batch_id, ended in sorted(_by(results, lambda one: one.line.batch_id).items()):
                if mine := _finished(session, batch_id, ended):
                    moved[batch_id] = mine
            rows = [
                {
                    "batch_id": one.line.batch_id,
                    "number": one.line.number,
                    "succeeded": one.succeeded,
                    "line": one.text,
                }
                for ended in moved.values()
                for one in ended
            ]
            if rows:
                session.execute(insert(_results), rows)
            for batch_id in sorted(moved):
                count(session, batch_id, moved[batch_id])


def _finished(session: Session, batch_id: str, ended: Sequence[Result]) -> list[Result]:
    """Those that were still this process's: a statement for all of the same attempt, which nearly all are."""
    mine: list[Result] = []
    for attempt, ones in sorted(_by(ended, lambda one: one.line.attempt).items()):
        held = (
            _lines.c.batch_id == batch_id,
            _lines.c.number.in_(sorted(one.line.number for one in ones)),
            _lines.c.attempt == attempt,
            _lines.c.state == RUNNING,
        )
        changed = update(_lines).where(*held).values(state=DONE, lease_until=None).returning(_lines.c.number)
        numbers = set(session.execute(changed).scalars())
        mine += [one for one in ones if one.line.number in numbers]
    return mine


def _by(results: Sequence[Result], key: Callable[[Result], _K]) -> dict[_K, list[Result]]:
    found: dict[_K, list[Result]] = defaultdict(list)
    for one in results:
        found[key(one)].append(one)
    return found


def count(session: Session, batch_id: str, ended: Sequence[Result]) -> None:
    """These results are written in this transaction."""
    row = BatchRecord
    completed = sum(one.succeeded for one in ended)
    session.execute(
        update(row)
        .where(row.id == batch_id)
        .values(
            completed=row.completed + completed,
            failed=row.failed + len(ended) - completed,
            input_tokens=row.input_tokens + sum(one.usage.prompt for one in ended),
            cached_tokens=row.cached_tokens + sum(one.usage.cache_read for one in ended),
            output_tokens=row.output_tokens + sum(one.usage.output for one in ended),
            reasoning_tokens=row.reasoning_tokens + sum(one.usage.reasoning for one in ended),
            cost=row.cost + sum(one.cost or 0 for one in ended),
        )
        .execution_options(synchronize_session=False)
    )


def groups(results: Sequence[Result]) -> Iterable[Sequence[Result]]:
    """As many together as one transaction may write."""
    group: list[Result] = []
    size = 0
    for one in results:
        if group and (len(group) == MOST_TOGETHER or size + len(one.text) > MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(one)
        size += len(one.text)
    if group:
        yield group


def _mine(line: Line) -> dict[str, Any]:
    return {"of_batch": line.batch_id, "of_line": line.number, "of_attempt": line.attempt}


def _in_order(items: Sequence[Any]) -> list[Any]:
    """In which everyone locks lines."""
    return sorted(items, key=lambda one: (one.line.batch_id, one.line.number))
