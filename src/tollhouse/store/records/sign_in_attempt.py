from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class SignInAttemptRecord(Base):
    """An attempt to sign in that has not succeeded. `account` is a hash of what was typed, which may be anything."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        Index("ix_sign_in_attempts_account", "account", "at"),
        Index("ix_sign_in_attempts_address", "address", "at"),
        Index("ix_sign_in_attempts_at", "at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Instant)
