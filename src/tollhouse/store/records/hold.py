from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class HoldRecord(Base):
    """An open upstream attempt. `taken` is what it took: {budget window id: nano-dollars}.

    `instance_id` owns it. When that process is dead, `checkpoint` is the entry that is booked: what was known
    of the call, which was sent before `sent_at`, at `checkpoint_at`. Before that it has just the prices of the input.
    """

    __tablename__ = "holds"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    instance_id: Mapped[str] = mapped_column(String(40), index=True)
    request_id: Mapped[str] = mapped_column(String(40))
    attempt: Mapped[int]
    key_id: Mapped[str] = mapped_column(String(40), index=True)
    model: Mapped[str] = mapped_column(String(200))
    provider: Mapped[str] = mapped_column(String(100))
    upstream_model: Mapped[str] = mapped_column(String(200))
    format: Mapped[str] = mapped_column(String(20))
    streamed: Mapped[bool]
    started_at: Mapped[datetime] = mapped_column(Instant)
    team_id: Mapped[str] = mapped_column(String(40), default=DEFAULT_TEAM)
    user_id: Mapped[str | None] = mapped_column(String(40))
    tags: Mapped[str] = mapped_column(String(1100), default="")
    end_user: Mapped[str | None] = mapped_column(String(256))
    amount: Mapped[int] = mapped_column(BigInteger)
    input_bound: Mapped[int]
    taken: Mapped[dict[str, int]] = mapped_column(Document)
    held_at: Mapped[datetime] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    checkpoint: Mapped[dict[str, Any] | None] = mapped_column(Document)
    checkpoint_at: Mapped[datetime | None] = mapped_column(Instant)
