"""Handovers in SQL: each is a part of a batch that goes to a provider as one batch there."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tollhouse.domain.identifiers import new_id
from tollhouse.domain.routes import Host, HostKey
from tollhouse.services.batches.batches import BACK, ELSEWHERE, OUT
from tollhouse.services.batches.handover.terms import Terms
from tollhouse.store.database import Database
from tollhouse.store.records import HANDOVER, BatchRecord, HandoverRecord

GATHERING, READY, SENDING, SENT, ENDED = "gathering", "ready", "sending", "sent", "ended"
"""Its lines are being held; they are, and may be sent; they may be at the provider; they are there; all is booked."""


class Parts:
    """Raises what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def batches(self) -> Sequence[str]:
        """Those that go elsewhere or are there, the oldest first."""
        row = BatchRecord
        with self._database.read() as session:
            wanted = select(row.id).where(row.is_open, row.handover.in_(ELSEWHERE)).order_by(row.id)
            return session.scalars(wanted).all()

    def batch(self, id: str) -> tuple[BatchRecord, datetime] | None:
        """As it is now, and when that is; None where it is not elsewhere any more."""
        with self._database.read() as session:
            row = session.get(BatchRecord, id)
            now = self._database.now(session)
        return (row, now) if row is not None and row.is_open and row.handover in ELSEWHERE else None

    def open(self, batch_id: str) -> Sequence[HandoverRecord]:
        """Those that have not ended, in the order of their lines."""
        row = HandoverRecord
        with self._database.read() as session:
            wanted = select(row).where(row.batch_id == batch_id, row.state != ENDED).order_by(row.id)
            return session.scalars(wanted).all()

    def add(self, batch_id: str, host: Host, key: HostKey | None, interface: str, terms: Terms, *, capped: bool) -> str:
        """One that has no lines yet; its id."""
        id = new_id(HANDOVER)
        with self._database.write() as session:
            now = self._database.now(session)
            session.add(
                HandoverRecord(
                    id=id,
                    batch_id=batch_id,
                    state=GATHERING,
                    host_id=host.id,
                    host_key_id=key and key.id,
                    provider=host.name,
                    interface=interface,
                    terms=terms.written(),
                    capped=capped,
                    short=False,
                    created_at=now,
                    due_at=now,
                    strangers=[],
                    **dict.fromkeys(("lines", "size", "weight", "sends", "looks", "failures", "reads"), 0),
                )
            )
            session.execute(update(BatchRecord).where(BatchRecord.id == batch_id).values(handover=OUT))
        return id

    def get(self, id: str) -> HandoverRecord:
        """As it is now."""
        with self._database.read() as session:
            return session.get_one(HandoverRecord, id)

    def change(
        self, id: str, *, only: str | None = None, sent: int | None = None, wait: float | None = None, **values: Any
    ) -> bool:
        """Whether it was in the state `only`, `sent` so often, and so was changed. It is due after so many seconds."""
        row = HandoverRecord
        with self._database.write() as session:
            now = self._database.now(session)
            if wait is not None:
                values["due_at"] = now + timedelta(seconds=wait)
            for moment in ("sending_at", "sent_at", "cancelled_at", "ended_at"):
                if values.get(moment) is True:
                    values[moment] = now
            which = [row.id == id, *([row.state == only] if only else []), *([row.sends == sent] if sent else [])]
            changed = session.scalar(update(row).where(*which).values(**values).returning(row.id))
            self._show(session, id)
            return changed is not None

    def drop(self, id: str) -> None:
        """One that has no lines."""
        with self._database.write() as session:
            session.execute(delete(HandoverRecord).where(HandoverRecord.id == id))

    def close(self, batch_id: str) -> None:
        """From here on its lines are called here, and its end is made here."""
        row = BatchRecord
        with self._database.write() as session:
            session.execute(
                update(row)
                .where(row.id == batch_id, row.handover.in_(ELSEWHERE))
                .values(handover=BACK, paused_until=None, paused_for=None)
            )

    def _show(self, session: Session, id: str) -> None:
        """In its batch, how the handovers get on."""
        batch_id = session.scalar(select(HandoverRecord.batch_id).where(HandoverRecord.id == id))
        rows = session.scalars(
            select(HandoverRecord)
            .where(HandoverRecord.batch_id == batch_id)
            .order_by(HandoverRecord.id)
            .execution_options(populate_existing=True)
        )
        handed = [
            {
                "provider": row.provider,
                "id": row.provider_batch_id,
                "status": "ended" if row.state == ENDED else row.provider_status or row.state,
                "lines": row.lines,
                "request_counts": row.counts,
                "message": row.reason,
            }
            for row in rows
        ]
        session.execute(update(BatchRecord).where(BatchRecord.id == batch_id).values(handed=handed))
