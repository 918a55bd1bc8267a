from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class BudgetRecord(Base):
    """What a scope may spend a period. Retired, never deleted: windows and reports refer to it."""

    __tablename__ = "budgets"
    __table_args__ = (Index("ix_budgets_scope", "scope_kind", "scope_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    scope_kind: Mapped[str] = mapped_column(String(20))
    scope_id: Mapped[str] = mapped_column(String(200))
    team_id: Mapped[str] = mapped_column(String(40), index=True, default=DEFAULT_TEAM, server_default=DEFAULT_TEAM)
    limit_nanos: Mapped[int] = mapped_column(BigInteger)
    period: Mapped[str] = mapped_column(String(10))
    timezone: Mapped[str] = mapped_column(String(64))
    hard: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)


class BudgetWindowRecord(Base):
    """One period of one budget. A new period is a new row, so a reset needs no job.

    The room left is computed (limit - spent - held), never stored.
    """

    __tablename__ = "budget_windows"
    __table_args__ = (Index("ix_budget_windows_period", "budget_id", "starts_at"),)

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    budget_id: Mapped[str] = mapped_column(ForeignKey("budgets.id"))
    starts_at: Mapped[datetime] = mapped_column(Instant)
    spent: Mapped[int] = mapped_column(BigInteger)
    held: Mapped[int] = mapped_column(BigInteger)
