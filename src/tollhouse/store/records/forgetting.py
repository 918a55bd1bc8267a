from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class ForgettingRecord(Base):
    """Somebody who was deleted, of whom tables that stay still have to be rid: gone itself once they are."""

    __tablename__ = "forgettings"

    user_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    asked_at: Mapped[datetime] = mapped_column(Instant)
