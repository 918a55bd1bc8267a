from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class WebhookRecord(Base):
    """Where events are told. `team_id` is the team whose it is, NULL for the organisation, which hears of all teams.

    `failures` in a row began at `failing_since`; it is enabled while `disabled_at` is NULL, and `disabled_for` says why
    it is not.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_team_id", "team_id", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str | None] = mapped_column(String(40))
    user_id: Mapped[str | None] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(200))
    url: Mapped[str] = mapped_column(String(2000))
    event_types: Mapped[list[str]] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(Instant)
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None] = mapped_column(Instant)
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    disabled_for: Mapped[str | None] = mapped_column(String(20))


class WebhookSecretRecord(Base):
    """A secret that a webhook's deliveries are signed with, sealed; `ends_at` is NULL for the newest, which stays."""

    __tablename__ = "webhook_secrets"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(String(40), index=True)
    sealed: Mapped[str] = mapped_column(String(500))
    hint: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)


class WebhookDeliveryRecord(Base):
    """That an event is told to a webhook, written in the transaction of what it tells. `attempt` counts how often it
    was taken, and fences what comes late; `failures` are those of this round, which a redelivery begins anew. `log` has
    the latest attempts, `payload` the bytes that are signed and sent.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_webhook_deliveries_due", "state", "due_at"),
        Index("ix_webhook_deliveries_due_of", "webhook_id", "state", "due_at"),
        Index("ix_webhook_deliveries_webhook", "webhook_id", "id"),
        Index("ix_webhook_deliveries_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(String(40))
    event_id: Mapped[str] = mapped_column(String(40))
    event_type: Mapped[str] = mapped_column(String(60))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[int] = mapped_column(SmallInteger)
    attempt: Mapped[int]
    failures: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    owner: Mapped[str | None] = mapped_column(String(40))
    log: Mapped[list[dict[str, Any]]] = mapped_column(Document)
