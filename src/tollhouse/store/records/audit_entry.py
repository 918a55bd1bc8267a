from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class AuditEntryRecord(Base):
    """A change: who, when, from where, what it was before and after. Append-only: the database refuses the rest.

    People are in it by their ids alone, so that who is forgotten need not be searched for here.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_team", "team_id", "id"),
        Index("ix_audit_entries_actor", "actor_id", "id"),
        Index("ix_audit_entries_subject", "subject_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    actor_kind: Mapped[str] = mapped_column(String(10))
    actor_id: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[str] = mapped_column(String(40))
    team_id: Mapped[str | None] = mapped_column(String(40))
    before: Mapped[dict[str, Any] | None] = mapped_column(Document)
    after: Mapped[dict[str, Any] | None] = mapped_column(Document)
