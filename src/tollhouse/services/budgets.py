"""Budgets: what a scope may spend a period."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select, text, true
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.periods import PERIODS, zone
from tollhouse.domain.principal import Scope
from tollhouse.services.scopes import existing_scope
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.ledger.budget_book import Budget as BudgetTerms
from tollhouse.store.ledger.budget_book import window_of
from tollhouse.store.ledger.tables import BUDGETS_LOCK
from tollhouse.store.records import (
    BudgetRecord,
    BudgetWindowRecord,
    HoldRecord,
    LedgerRecord,
)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and its present window. Amounts are nano-dollars."""

    id: str
    scope: Scope
    limit: int
    period: str
    timezone: str
    hard: bool
    spent: int
    held: int
    starts_at: datetime


class Budgets:
    """One budget in force for each scope and period; what is changed applies from the next hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, scope: Scope, limit: int, period: str, *, timezone: str = "UTC", hard: bool = True) -> Budget:
        """Make the budget, or change the one of this scope and period.

        A new one starts from what the ledger shows for its period, and from what is held at the
        moment: open calls that were admitted before it count as held in it.
        """
        _check(period, timezone)
        with self._database.write() as session:
            self._alone(session)
            scope = existing_scope(session, scope)
            now = self._database.now(session)
            row = session.scalar(_in_force(scope).where(BudgetRecord.period == period))
            if row is not None and row.timezone == timezone:
                row.limit_nanos, row.hard = limit, hard
            else:
                if row is not None:
                    row.retired_at = now
                row = self._make(session, scope, limit, period, timezone, hard, now)
            announce(session)
            session.flush()
            return self._shown(session, row, now)

    def all(self) -> list[Budget]:
        """All budgets in force, oldest first."""
        with self._database.read() as session:
            now = self._database.now(session)
            rows = session.scalars(
                select(BudgetRecord).where(BudgetRecord.retired_at.is_(None)).order_by(BudgetRecord.id)
            )
            return [self._shown(session, row, now) for row in rows]

    def retire(self, id: str) -> None:
        """End a budget. It stays in the database: windows and reports refer to it."""
        with self._database.write() as session:
            row = session.get(BudgetRecord, id)
            if row is None:
                raise NotFound(f"There is no budget {id!r}; `tollhouse budgets list` shows them.", param="id")
            row.retired_at = row.retired_at or self._database.now(session)
            announce(session)

    def _alone(self, session: Session) -> None:
        """Wait for the group commits that run, and keep the next ones out: none may miss the new budget."""
        if self._database.dialect == "postgresql":
            session.execute(text(f"SELECT pg_advisory_xact_lock({BUDGETS_LOCK})"))

    def _make(
        self,
        session: Session,
        scope: Scope,
        limit: int,
        period: str,
        timezone: str,
        hard: bool,
        now: datetime,
    ) -> BudgetRecord:
        row = BudgetRecord(
            id=new_id("bud"),
            scope_kind=scope[0],
            scope_id=scope[1],
            limit_nanos=limit,
            period=period,
            timezone=timezone,
            hard=hard,
            created_at=now,
            retired_at=None,
        )
        session.add(row)
        session.flush()
        window, _ = window_of(terms_of(row), now)
        spent = session.scalar(
            select(func.coalesce(func.sum(LedgerRecord.cost), 0)).where(
                _of(LedgerRecord, scope), LedgerRecord.booked_at >= window.starts_at
            )
        )
        open_holds = list(session.scalars(select(HoldRecord).where(_of(HoldRecord, scope)).with_for_update()))
        for hold in open_holds:
            hold.taken = {**hold.taken, window.id: hold.amount}
        session.add(
            BudgetWindowRecord(
                id=window.id,
                budget_id=row.id,
                starts_at=window.starts_at,
                spent=int(spent or 0),
                held=sum(hold.amount for hold in open_holds),
            )
        )
        return row

    def _shown(self, session: Session, row: BudgetRecord, now: datetime) -> Budget:
        window, _ = window_of(terms_of(row), now)
        sums = session.get(BudgetWindowRecord, window.id)
        spent, held = (sums.spent, sums.held) if sums else (0, 0)
        scope = (row.scope_kind, row.scope_id)
        return Budget(row.id, scope, row.limit_nanos, row.period, row.timezone, row.hard, spent, held, window.starts_at)


def _of(table: type[LedgerRecord | HoldRecord], scope: Scope) -> ColumnElement[bool]:
    """Whether a row belongs to a scope: a new kind of scope is a line here, and one in `Principal.scopes`."""
    kind, id = scope
    if kind == "organisation":
        return true()
    if kind == "tag":
        return table.tags.contains(f",{id},", autoescape=True)
    column = {"key": table.key_id, "user": table.user_id, "team": table.team_id, "model": table.model}[kind]
    return column == id


def terms_of(row: BudgetRecord) -> BudgetTerms:
    """The definition as the ledger has it."""
    scope = (row.scope_kind, row.scope_id)
    return BudgetTerms(row.id, scope, row.limit_nanos, row.period, row.timezone, row.hard)


def _in_force(scope: Scope) -> Select[BudgetRecord]:
    return select(BudgetRecord).where(
        BudgetRecord.scope_kind == scope[0],
        BudgetRecord.scope_id == scope[1],
        BudgetRecord.retired_at.is_(None),
    )


def _check(period: str, timezone: str) -> None:
    if period not in PERIODS:
        raise InvalidField(f"period: it must be one of {', '.join(PERIODS)}.", param="period")
    try:
        zone(timezone)
    except ValueError as error:
        raise InvalidField(f"timezone: {error}.", param="timezone") from None
