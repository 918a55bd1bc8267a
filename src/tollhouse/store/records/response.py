from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class ResponseRecord(Base):
    """A Response that its caller asked to be kept: `document` as the caller got it, and of its input what was its own.

    `thread_id` is the first response of the chain that `previous_id` makes: a thread is kept as long as its newest
    response. `size` is the bytes of input and output.
    """

    __tablename__ = "responses"
    __table_args__ = (
        Index("ix_responses_thread", "thread_id", "created_at"),
        Index("ix_responses_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[str] = mapped_column(String(40))
    thread_id: Mapped[str] = mapped_column(String(40))
    previous_id: Mapped[str | None] = mapped_column(String(40))
    conversation_id: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(Instant)
    status: Mapped[str] = mapped_column(String(20))
    size: Mapped[int]
    input: Mapped[list[dict[str, Any]]] = mapped_column(Document)
    document: Mapped[dict[str, Any]] = mapped_column(Document)


class ResponseItemRecord(Base):
    """Which response an output item is in, for calls that name it by its id."""

    __tablename__ = "response_items"
    __table_args__ = (Index("ix_response_items_item", "item_id"),)

    response_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(1000), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
