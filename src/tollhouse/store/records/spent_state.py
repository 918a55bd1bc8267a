from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class SpentStateRecord(Base):
    """A browser that came back from an issuer: `state` is a hash of what it brought, which is good once."""

    __tablename__ = "spent_states"
    __table_args__ = (Index("ix_spent_states_expires_at", "expires_at"),)

    state: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(Instant)
