from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class ConversationRecord(Base):
    """A conversation. `last_position` is that of the item that came last: whoever adds items raises it first, and so
    has the conversation to itself until its commit.
    """

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(Instant)
    labels: Mapped[dict[str, str]] = mapped_column("metadata", Document)
    last_position: Mapped[int]


class ConversationItemRecord(Base):
    """An item of a conversation. `size` is its bytes."""

    __tablename__ = "conversation_items"
    __table_args__ = (Index("ix_conversation_items_item", "item_id"),)

    conversation_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
    item_id: Mapped[str] = mapped_column(String(1000))
    size: Mapped[int]
    item: Mapped[dict[str, Any]] = mapped_column(Document)
