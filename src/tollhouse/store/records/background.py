from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class BackgroundRecord(Base):
    """A response that is made in the background, beside its row in `responses`: what is to be called, until it has
    ended, and who calls it until when. `attempt` counts how often it was taken, and fences what comes late; `failures`
    are the attempts that failed or whose process died.

    `streamed` says that its events are kept; `last_number` is that of the latest. `waits_for` says why it was not
    called yet.
    """

    __tablename__ = "background_responses"
    __table_args__ = (Index("ix_background_responses_state", "state", "team_id", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[str] = mapped_column(String(40))
    call: Mapped[dict[str, Any] | None] = mapped_column(Document)
    streamed: Mapped[bool]
    state: Mapped[int] = mapped_column(SmallInteger)
    attempt: Mapped[int]
    failures: Mapped[int]
    last_number: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    waits_for: Mapped[str | None] = mapped_column(String(500))
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    owner: Mapped[str | None] = mapped_column(String(40))


class ResponseEventsRecord(Base):
    """Events of such a response as they are streamed: those with the numbers from `first` to `last`."""

    __tablename__ = "response_events"

    response_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]
    events: Mapped[bytes] = mapped_column(LargeBinary)
