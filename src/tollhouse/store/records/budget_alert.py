from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class BudgetAlertRecord(Base):
    """That a budget's window reached a share of its limit, which is told once. `told_at` is NULL until it was."""

    __tablename__ = "budget_alerts"

    window_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    percent: Mapped[int] = mapped_column(primary_key=True)
    budget_id: Mapped[str] = mapped_column(String(40))
    spent: Mapped[int] = mapped_column(BigInteger)
    limit_nanos: Mapped[int] = mapped_column(BigInteger)
    raised_at: Mapped[datetime] = mapped_column(Instant)
    told_at: Mapped[datetime | None] = mapped_column(Instant)


class BudgetAlertDeliveryRecord(Base):
    """That an alert goes to a channel, as mail. It is due until `ended_at`: it was delivered then, or given up."""

    __tablename__ = "budget_alert_deliveries"
    __table_args__ = (Index("ix_budget_alert_deliveries_due", "ended_at", "due_at"),)

    window_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    percent: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(20), primary_key=True)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    delivered: Mapped[bool] = mapped_column(default=False)
