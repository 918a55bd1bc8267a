"""Responses in the background, in SQL: claimed, kept, given back, ended. An attempt number fences what comes late."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, func, insert, or_, select, update
from sqlalchemy.orm import Session

from tollhouse.services.batches.pace import Wish, shares
from tollhouse.services.responses.stored_responses import StoredResponses
from tollhouse.store.database import Database
from tollhouse.store.records import BackgroundRecord, ResponseEventsRecord, ResponseRecord

WAITING, RUNNING, DONE = 0, 1, 2
QUEUED, IN_PROGRESS = "queued", "in_progress"
LEASE = timedelta(seconds=12)
"""How long a response waits for a process that died, at most; the living say much more often that they live."""

_row: Any = BackgroundRecord.__table__
_events: Any = ResponseEventsRecord.__table__


class Lost(Exception):
    """The response was cancelled or deleted, or somebody else has it: what comes of this attempt changes nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A response that is this process's to make. `document` is what is shown of it, `died` says that the process died
    that had it before.
    """

    id: str
    team_id: str
    key_id: str
    call: dict[str, Any]
    document: dict[str, Any]
    streamed: bool
    attempt: int
    failures: int
    last_number: int
    died: bool
    expired: bool
    waits_for: str | None


class Claims:
    """For the process `owner`."""

    def __init__(self, database: Database, stored: StoredResponses, owner: str) -> None:
        self._database = database
        self._stored = stored
        self._owner = owner

    def any_open(self) -> bool:
        """Whether there is anything to do, now or later."""
        with self._database.read() as session:
            return session.scalar(select(_row.c.id).where(_row.c.state != DONE).limit(1)) is not None

    def claim(self, most: int) -> list[Claim]:
        """Up to so many that are due: shared between teams, the oldest of each first."""
        with self._database.read() as session:
            chosen = self._choose(session, most)
        if not chosen:
            return []
        with self._database.write() as session:
            now = self._database.now(session)
            return [claim for one in chosen if (claim := self._take(session, one, now))]

    def _choose(self, session: Session, most: int) -> list[Row[Any]]:
        now = self._database.now(session)
        waits = (_row.c.state == WAITING) & or_(_row.c.due_at.is_(None), _row.c.due_at <= now, _row.c.expires_at <= now)
        lost = (_row.c.state == RUNNING) & (_row.c.lease_until < now)
        place = func.row_number().over(partition_by=_row.c.team_id, order_by=_row.c.id).label("place")
        due = select(_row.c.id, _row.c.team_id, _row.c.state, _row.c.attempt, place).where(waits | lost).subquery()
        found = session.execute(select(due).where(due.c.place <= most).order_by(due.c.id)).all()
        if not found:
            return []
        alive = select(_row.c.team_id, func.count()).where(_row.c.state == RUNNING, _row.c.lease_until >= now)
        under_way = {one[0]: one[1] for one in session.execute(alive.group_by(_row.c.team_id))}
        wishes = [Wish(team, team, number) for team, number in Counter(one.team_id for one in found).items()]
        places = shares(most, wishes, under_way)
        chosen = []
        for one in found:
            if places[one.team_id]:
                places[one.team_id] -= 1
                chosen.append(one)
        return chosen

    def _take(self, session: Session, one: Row[Any], now: Any) -> Claim | None:
        """None where somebody was faster."""
        died = one.state == RUNNING
        taken = session.execute(
            update(_row)
            .where(_row.c.id == one.id, _row.c.state == one.state, _row.c.attempt == one.attempt)
            .values(
                state=RUNNING,
                owner=self._owner,
                lease_until=now + LEASE,
                attempt=one.attempt + 1,
                failures=_row.c.failures + int(died),
            )
            .returning(_row)
        ).one_or_none()
        document = session.scalar(
            update(ResponseRecord)
            .where(ResponseRecord.id == one.id)
            .values(status=IN_PROGRESS)
            .returning(ResponseRecord.document)
        )
        if taken is None or document is None:
            return None
        return Claim(
            taken.id,
            taken.team_id,
            taken.key_id,
            taken.call,
            document,
            taken.streamed,
            taken.attempt,
            taken.failures,
            taken.last_number,
            died,
            taken.expires_at <= now,
            taken.waits_for,
        )

    def keep(self) -> frozenset[tuple[str, int]]:
        """This process lives. Which responses it still has, and by which attempt."""
        mine = (_row.c.owner == self._owner, _row.c.state == RUNNING)
        with self._database.write() as session:
            until = self._database.now(session) + LEASE
            kept = session.execute(
                update(_row).where(*mine).values(lease_until=until).returning(_row.c.id, _row.c.attempt)
            )
            return frozenset((one.id, one.attempt) for one in kept)

    def give_back(self, claim: Claim, seconds: float, reason: str, *, failed: bool) -> None:
        """It waits again, for so many seconds at least. `failed` counts the attempt against it."""

        def change(session: Session) -> None:
            due = self._database.now(session) + timedelta(seconds=seconds)
            values = {"state": WAITING, "lease_until": None, "due_at": due, "waits_for": reason[:500]}
            mine = update(_row).where(*_mine(claim)).values(failures=_row.c.failures + int(failed), **values)
            if session.execute(mine.returning(_row.c.id)).one_or_none():
                session.execute(update(ResponseRecord).where(ResponseRecord.id == claim.id).values(status=QUEUED))

        self._database.put(change)

    def log(self, claim: Claim, after: int, events: Sequence[bytes]) -> int:
        """Add events to those up to the number `after`; the number of the last. Raises Lost."""
        last = after + len(events)

        def change(session: Session) -> None:
            if not _moved(session, claim, after, {"last_number": last}):
                return
            row = {"response_id": claim.id, "first": after + 1, "last": last, "events": b"".join(events)}
            session.execute(insert(_events), row)

        self._database.put(change)
        return last

    def end(self, claim: Claim, document: dict[str, Any], after: int, events: Sequence[bytes]) -> None:
        """The response has ended so. Raises Lost."""

        def change(session: Session) -> None:
            last = after + len(events)
            over: dict[str, Any] = {"state": DONE, "call": None, "lease_until": None, "waits_for": None}
            over |= {"last_number": last, "ended_at": self._database.now(session)}
            if not _moved(session, claim, after, over):
                return
            if events:
                row = {"response_id": claim.id, "first": after + 1, "last": last, "events": b"".join(events)}
                session.execute(insert(_events), row)
            self._stored.end(session, claim.id, document)

        self._database.put(change)


def _mine(claim: Claim) -> tuple[Any, ...]:
    return _row.c.id == claim.id, _row.c.attempt == claim.attempt, _row.c.state == RUNNING


def _moved(session: Session, claim: Claim, after: int, values: dict[str, Any]) -> bool:
    """Whether the row was moved on from there. False: it had been before, and nobody had said so; else raises Lost."""
    move = update(_row).where(*_mine(claim), _row.c.last_number == after).values(**values)
    if session.execute(move.returning(_row.c.id)).one_or_none():
        return True
    columns = (_row.c.attempt, _row.c.state, _row.c.last_number)
    found = session.execute(select(*columns).where(_row.c.id == claim.id)).one_or_none()
    wanted = (claim.attempt, values.get("state", RUNNING), values["last_number"])
    if found is None or tuple(found) != wanted:
        raise Lost
    return False
