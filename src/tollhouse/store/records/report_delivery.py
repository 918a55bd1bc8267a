from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class ReportDeliveryRecord(Base):
    """A report that a schedule sends: `work` says which, and to whom, until it has ended; then nobody needs to know.

    `user_id` is with whose rights it is read, `as_of` the moment that counts as now. Whoever attempts it has until
    `due_at`, and is fenced by `attempt`. `sending` is what is being sent just now, "mail" or "webhook".
    """

    __tablename__ = "report_deliveries"
    __table_args__ = (
        Index("ix_report_deliveries_due", "state", "due_at"),
        Index("ix_report_deliveries_team", "team_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[str] = mapped_column(String(40))
    work: Mapped[dict[str, Any]] = mapped_column(Document)
    timezone: Mapped[str] = mapped_column(String(64))
    as_of: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(Instant)
    sending: Mapped[str | None] = mapped_column(String(8))
    mailed: Mapped[bool]
    posted: Mapped[bool]
    error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
