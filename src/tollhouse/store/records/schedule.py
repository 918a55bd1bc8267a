from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class ScheduleRecord(Base):
    """Work that is begun again and again: `work` of a `kind`, as `key_id`, which is an API key's or a person's id.

    `next_at` is when it is begun next; whoever moves that on has begun it, and nobody else. `missed` says what becomes
    of a time at which nobody was there to begin it: `run` or `skip`. `file_id` is the file that the work reads.
    """

    __tablename__ = "schedules"
    __table_args__ = (Index("ix_schedules_next_at", "next_at"), Index("ix_schedules_team", "team_id", "id"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(40))
    work: Mapped[dict[str, Any]] = mapped_column(Document)
    file_id: Mapped[str | None] = mapped_column(String(40))
    cron: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64))
    missed: Mapped[str] = mapped_column(String(8))
    paused: Mapped[bool]
    next_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)


class ScheduleRunRecord(Base):
    """One time that a schedule was due. `work_id` is what was begun then: a response or a batch. `attempt` counts how
    often somebody tried to begin it, and fences who comes late; `lease_until` is how long that one has for it.
    """

    __tablename__ = "schedule_runs"
    __table_args__ = (
        UniqueConstraint("schedule_id", "due_at"),
        Index("ix_schedule_runs_state", "state"),
        Index("ix_schedule_runs_team", "team_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    schedule_id: Mapped[str] = mapped_column(String(40))
    team_id: Mapped[str] = mapped_column(String(40))
    due_at: Mapped[datetime] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(String(10))
    attempt: Mapped[int]
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    work_id: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[str | None] = mapped_column(String(500))
