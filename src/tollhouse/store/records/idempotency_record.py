from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class IdempotencyRecord(Base):
    """A request that came with an Idempotency-Key: `owner_id` is a person's or an API key's id, the keys of each are
    their own. Of the key itself there is a hash.

    Until `status` is there it is under way, by whoever has `attempt`, who is taken for dead after `taken_until`.
    `answer` is sealed, for it may hold what is shown once; `body` is a reply of a model, whose head is `answer`.
    """

    __tablename__ = "idempotency_records"
    __table_args__ = (Index("ix_idempotency_records_expires_at", "expires_at"),)

    owner_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    attempt: Mapped[str] = mapped_column(String(40))
    taken_until: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    status: Mapped[int | None]
    answer: Mapped[str | None] = mapped_column(Text)
    body: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
