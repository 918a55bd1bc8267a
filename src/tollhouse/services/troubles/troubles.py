"""Troubles: what is wrong is told once when it begins and once when it is over, however often somebody looks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse import logs, metrics
from tollhouse.domain.identifiers import new_id
from tollhouse.services.troubles.signs import Sign, Signs
from tollhouse.services.troubles.survey import Survey
from tollhouse.store.database import Database
from tollhouse.store.records import TroubleDeliveryRecord, TroubleRecord

KINDS = ("provider_down", "credential_bad", "error_rate", "queue_age", "ledger_lag", "database_away")
QUIET = timedelta(seconds=60)
"""How long it must be gone before it is over: what comes and goes is one trouble."""
LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """One message: that a trouble has begun, or that it is over."""

    kind: str
    subject: str
    text: str
    raised_at: datetime
    resolved_at: datetime | None = None


class Troubles:
    """To be asked by one process at a time."""

    def __init__(self, database: Database, survey: Survey, signs: Signs, channels: Sequence[str] = ()) -> None:
        """`channels` are those on which each message goes out, by `TroubleDeliveries`."""
        self._database = database
        self._survey = survey
        self._signs = signs
        self._channels = channels

    def look(self) -> None:
        """Look around, raise what is new, end what is over. Raises what the database raises."""
        signs = {(one.kind, one.subject): one for one in self._signs.read(self._survey.run())}
        with self._database.read() as session:
            open_rows = {(one.kind, one.subject): one for one in self._open(session)}
            now = self._database.now(session)
        over = [row for key, row in open_rows.items() if key not in signs and now - row.seen_at >= QUIET]
        new = [sign for key, sign in signs.items() if key not in open_rows]
        seen = [row for key, row in open_rows.items() if key in signs and now - row.seen_at >= QUIET / 4]
        if new or over or seen:
            with self._database.write() as session:
                now = self._database.now(session)
                for row in seen:
                    session.merge(row).seen_at = now
                for row in over:
                    session.merge(row).resolved_at = now
                    self._to_deliver(session, row.id, now, resolved=True)
                for sign in new:
                    self._raise(session, sign, now)
        for sign in new:
            logs.event("trouble", level=logs.WARNING, kind=sign.kind, subject=sign.subject, text=sign.text)
        for row in over:
            logs.event("trouble_over", kind=row.kind, subject=row.subject)
        left = set(open_rows) - {(row.kind, row.subject) for row in over} | set(signs)
        for kind in KINDS:
            metrics.TROUBLES_OPEN.labels(kind).set(sum(kind == one for one, _ in left))

    def _open(self, session: Session) -> Sequence[TroubleRecord]:
        return session.scalars(select(TroubleRecord).where(TroubleRecord.resolved_at.is_(None))).all()

    def _raise(self, session: Session, sign: Sign, now: datetime) -> None:
        row = TroubleRecord(
            id=new_id("trb"),
            kind=sign.kind,
            subject=sign.subject[:100],
            text=sign.text[:LONGEST],
            raised_at=now,
            seen_at=now,
        )
        session.add(row)
        self._to_deliver(session, row.id, now, resolved=False)

    def _to_deliver(self, session: Session, id: str, now: datetime, *, resolved: bool) -> None:
        for channel in self._channels:
            session.add(
                TroubleDeliveryRecord(
                    trouble_id=id, resolved=resolved, channel=channel, attempts=0, due_at=now, delivered=False
                )
            )


class Outage:
    """That the database is away, which it cannot keep itself."""

    def __init__(self, tell: Callable[[Told], None]) -> None:
        self._tell = tell
        self._began = datetime.now(UTC)

    def begins(self) -> None:
        self._began = datetime.now(UTC)
        text = "The database does not answer, and calls are refused: `tollhouse doctor` looks closer."
        self._tell(Told("database_away", "database", text, self._began))

    def ends(self) -> None:
        self._tell(Told("database_away", "database", "", self._began, datetime.now(UTC)))


def subject_of(told: Told) -> str:
    what = f"{told.kind.replace('_', ' ')}: {told.subject}"
    return f"Resolved: {what}" if told.resolved_at else what.capitalize()


def text_of(told: Told) -> str:
    """A sentence or two, for people."""
    if told.resolved_at is None:
        return f"{subject_of(told)}. {told.text}"
    seconds = (told.resolved_at - told.raised_at).total_seconds()
    return f"{subject_of(told)}. It was so for {seconds:.0f} s."


def document_of(told: Told) -> dict[str, Any]:
    """For programs; `text` is what Slack and its like show."""
    return {
        "text": text_of(told),
        "type": "trouble.resolved" if told.resolved_at else "trouble.raised",
        "kind": told.kind,
        "subject": told.subject,
        "raised_at": _moment(told.raised_at),
        "resolved_at": _moment(told.resolved_at) if told.resolved_at else None,
    }


def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")
