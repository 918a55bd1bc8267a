from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class BatchRecord(Base):
    """A batch. `ending` is how it will end, once nothing of it is called any more; counts and sums move in the
    transactions in which results are written. `read_bytes` and `read_lines` are what of its file was checked;
    `failed` has those of its lines that were `not_called`.

    `provider_batch` is what was asked for. While `handover` is WANTED or OUT, its lines are not called here: up to the
    number `handed_to` it was decided whether they go to the provider's own batches, of which `handed` shows how they
    get on.
    """

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_team", "team_id", "id"), Index("ix_batches_open", "is_open"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[str] = mapped_column(String(40))
    tags: Mapped[list[str]] = mapped_column(Document)
    endpoint: Mapped[str] = mapped_column(String(40))
    completion_window: Mapped[str] = mapped_column(String(20))
    labels: Mapped[dict[str, str] | None] = mapped_column("metadata", Document)
    input_file_id: Mapped[str] = mapped_column(String(40))
    output_file_id: Mapped[str | None] = mapped_column(String(40))
    error_file_id: Mapped[str | None] = mapped_column(String(40))
    output_kept_seconds: Mapped[int]
    status: Mapped[str] = mapped_column(String(20))
    ending: Mapped[str | None] = mapped_column(String(20))
    is_open: Mapped[bool]
    errors: Mapped[list[dict[str, Any]] | None] = mapped_column(Document)
    model: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    in_progress_at: Mapped[datetime | None] = mapped_column(Instant)
    cancelling_at: Mapped[datetime | None] = mapped_column(Instant)
    finalizing_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    paused_until: Mapped[datetime | None] = mapped_column(Instant)
    paused_for: Mapped[str | None] = mapped_column(String(500))
    read_bytes: Mapped[int] = mapped_column(BigInteger)
    read_lines: Mapped[int]
    asked: Mapped[int | None]
    total: Mapped[int]
    completed: Mapped[int]
    failed: Mapped[int]
    not_called: Mapped[int]
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[int] = mapped_column(BigInteger)
    trace: Mapped[str | None] = mapped_column(String(100))
    provider_batch: Mapped[str | None] = mapped_column(String(10))
    handover: Mapped[str | None] = mapped_column(String(10))
    handed_to: Mapped[int] = mapped_column(default=0, server_default="0")
    handed: Mapped[list[dict[str, Any]] | None] = mapped_column(Document)


class BatchLineRecord(Base):
    """A line that is to be called: where it stands in the file, and who calls it until when. `attempt` counts how often
    it was taken, and fences what comes late; `failures` are attempts that failed, `deaths` those whose process died.
    `handover_id` is the last that it was a part of.
    """

    __tablename__ = "batch_lines"
    __table_args__ = (
        UniqueConstraint("batch_id", "custom_id"),
        Index("ix_batch_lines_state", "batch_id", "state", "number"),
    )

    batch_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    custom_id: Mapped[str] = mapped_column(String(256))
    start: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int]
    state: Mapped[int] = mapped_column(SmallInteger)
    attempt: Mapped[int]
    failures: Mapped[int]
    deaths: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    owner: Mapped[str | None] = mapped_column(String(40))
    handover_id: Mapped[str | None] = mapped_column(String(40))


class BatchResultRecord(Base):
    """The one result of a line, as a line of the file that it goes into when the batch ends."""

    __tablename__ = "batch_results"

    batch_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    succeeded: Mapped[bool]
    line: Mapped[bytes] = mapped_column(LargeBinary)
