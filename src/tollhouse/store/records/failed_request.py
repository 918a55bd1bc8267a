from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class FailedRequestRecord(Base):
    """What the caller was told of a call that was refused, or that failed before its reply began. Of one that was
    refused the ledger has nothing.
    """

    __tablename__ = "failed_requests"
    __table_args__ = (Index("ix_failed_requests_failed_at", "failed_at"),)

    request_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[str] = mapped_column(String(40))
    failed_at: Mapped[datetime] = mapped_column(Instant)
    status: Mapped[int]
    code: Mapped[str] = mapped_column(String(60))
    message: Mapped[str] = mapped_column(String(1000))
