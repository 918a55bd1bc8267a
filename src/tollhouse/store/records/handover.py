from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base

HANDOVER = "hov"
"""How ids of handovers begin. The holds of their lines are owned by them, and by no process."""


class HandoverRecord(Base):
    """Lines of a batch that go to a provider as one batch of its own, `provider_batch_id`. `terms` are the prices and
    bounds under which they were held, `counts` what the provider says of them.

    `short` says that it has not all lines that it could have, for lack of budget. `sending_at` is when it was last
    begun to send it: from then on the provider may have it, whoever died.
    """

    __tablename__ = "handovers"
    __table_args__ = (Index("ix_handovers_batch", "batch_id", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    batch_id: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(12))
    host_id: Mapped[str] = mapped_column(String(40))
    host_key_id: Mapped[str | None] = mapped_column(String(40))
    provider: Mapped[str] = mapped_column(String(100))
    interface: Mapped[str] = mapped_column(String(20))
    terms: Mapped[dict[str, Any]] = mapped_column(Document)
    capped: Mapped[bool]
    short: Mapped[bool]
    lines: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    weight: Mapped[int]
    file_id: Mapped[str | None] = mapped_column(String(200))
    provider_batch_id: Mapped[str | None] = mapped_column(String(200))
    provider_status: Mapped[str | None] = mapped_column(String(40))
    counts: Mapped[dict[str, int] | None] = mapped_column(Document)
    strangers: Mapped[list[str]] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(Instant)
    sending_at: Mapped[datetime | None] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    cancelled_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    due_at: Mapped[datetime] = mapped_column(Instant)
    sends: Mapped[int]
    looks: Mapped[int]
    failures: Mapped[int]
    reads: Mapped[int]
    reason: Mapped[str | None] = mapped_column(String(500))
