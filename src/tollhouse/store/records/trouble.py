from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class TroubleRecord(Base):
    """What those who run the gateway are told of, once when it begins and once when it is over. `seen_at` is when it
    was there last; `resolved_at` is NULL until it has been gone for a while.
    """

    __tablename__ = "troubles"
    __table_args__ = (Index("ix_troubles_resolved_at", "resolved_at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(30))
    subject: Mapped[str] = mapped_column(String(100))
    text: Mapped[str] = mapped_column(String(1000))
    raised_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant)
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)


class TroubleDeliveryRecord(Base):
    """A message of a trouble on its way to a channel. Due until `ended_at`: it was delivered then, or given up."""

    __tablename__ = "trouble_deliveries"
    __table_args__ = (Index("ix_trouble_deliveries_due", "ended_at", "due_at"),)

    trouble_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    resolved: Mapped[bool] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(20), primary_key=True)
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    delivered: Mapped[bool]


class ProbeRecord(Base):
    """What a provider said when it was last asked."""

    __tablename__ = "probes"

    provider: Mapped[str] = mapped_column(String(100), primary_key=True)
    ok: Mapped[bool]
    refused: Mapped[bool]
    problem: Mapped[str | None] = mapped_column(String(500))
    probed_at: Mapped[datetime] = mapped_column(Instant)
