from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class LedgerRecord(Base):
    """One upstream attempt, booked. Append-only: a correction is another row, of kind "adjustment".

    `cost` is nano-dollars and prices are nano-dollars per million tokens; NULL where no price was
    known. `units` are thousandths of what the format counts beside tokens, `unit_price` is per million of these.
    Reports go by `booked_at`, the database's time, so that a day that is over stays as it is.
    `saved` is what the attempt would have cost, had it been made: NULL where it was, else a reply was given again.
    `tags` are joined as in `domain/tags.py`. `end_user` is whom the caller named as the one it calls for: all that is
    ever taken out of a row, when a person is forgotten.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        Index("ix_ledger_booked_at", "booked_at"),
        Index("ix_ledger_key", "key_id", "booked_at"),
        Index("ix_ledger_team", "team_id", "booked_at"),
        Index("uq_ledger_attempt", "request_id", "attempt", "kind", unique=True),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    request_id: Mapped[str] = mapped_column(String(40))
    attempt: Mapped[int]
    booked_at: Mapped[datetime] = mapped_column(Instant)
    started_at: Mapped[datetime] = mapped_column(Instant)
    team_id: Mapped[str] = mapped_column(String(40), default=DEFAULT_TEAM)
    user_id: Mapped[str | None] = mapped_column(String(40))
    tags: Mapped[str] = mapped_column(String(1100), default="")
    end_user: Mapped[str | None] = mapped_column(String(256))
    key_id: Mapped[str] = mapped_column(String(40))
    model: Mapped[str] = mapped_column(String(200))
    provider: Mapped[str] = mapped_column(String(100))
    upstream_model: Mapped[str] = mapped_column(String(200))
    format: Mapped[str] = mapped_column(String(20))
    streamed: Mapped[bool]
    status: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(40))
    attempts: Mapped[int]
    input_tokens: Mapped[int]
    cache_read_tokens: Mapped[int]
    cache_write_tokens: Mapped[int]
    output_tokens: Mapped[int]
    reasoning_tokens: Mapped[int]
    units: Mapped[int] = mapped_column(BigInteger, default=0)
    estimated: Mapped[bool]
    input_price: Mapped[int | None] = mapped_column(BigInteger)
    cache_read_price: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_price: Mapped[int | None] = mapped_column(BigInteger)
    output_price: Mapped[int | None] = mapped_column(BigInteger)
    unit_price: Mapped[int | None] = mapped_column(BigInteger)
    cost: Mapped[int | None] = mapped_column(BigInteger)
    latency_us: Mapped[int] = mapped_column(BigInteger)
    first_token_us: Mapped[int | None] = mapped_column(BigInteger)
    saved: Mapped[int | None] = mapped_column(BigInteger)
