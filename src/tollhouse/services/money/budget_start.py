"""What a new budget starts from: the ledger of its period, and what is held at the moment."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from tollhouse.domain.principal import Scope
from tollhouse.store.ledger.budget_book import Budget as BudgetTerms
from tollhouse.store.ledger.budget_book import window_of
from tollhouse.store.records import (
    ArchivedDayRecord,
    BudgetRecord,
    BudgetWindowRecord,
    DailyUsageRecord,
    HoldRecord,
    LedgerRecord,
)


def terms_of(row: BudgetRecord) -> BudgetTerms:
    """The definition as the ledger has it."""
    scope = (row.scope_kind, row.scope_id)
    return BudgetTerms(row.id, scope, row.limit_nanos, row.period, row.timezone, row.hard)


def open_window(session: Session, row: BudgetRecord, now: datetime) -> None:
    """Make the present window of a budget that is new: open calls that were admitted before count as held in it."""
    scope = (row.scope_kind, row.scope_id)
    window, _ = window_of(terms_of(row), now)
    spent = session.scalar(
        select(func.coalesce(func.sum(LedgerRecord.cost), 0)).where(
            _of(LedgerRecord, scope), LedgerRecord.booked_at >= window.starts_at, *_unarchived(session)
        )
    )
    archived = session.scalar(
        select(func.sum(DailyUsageRecord.cost)).where(
            _of(DailyUsageRecord, scope),
            # Shorter periods than all of time end before anything is archived.
            DailyUsageRecord.day >= window.starts_at.date(),
            DailyUsageRecord.day <= select(func.max(ArchivedDayRecord.day)).scalar_subquery(),
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
            spent=int(spent or 0) + int(archived or 0),
            held=sum(hold.amount for hold in open_holds),
        )
    )


def _unarchived(session: Session) -> list[ColumnElement[bool]]:
    """That a row is read from the ledger: of days that are archived, it may still be there or not."""
    last: date | None = session.scalar(select(func.max(ArchivedDayRecord.day)))
    if last is None:
        return []
    return [LedgerRecord.booked_at >= datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)]


def _of(table: type[LedgerRecord | HoldRecord | DailyUsageRecord], scope: Scope) -> ColumnElement[bool]:
    """Whether a row belongs to a scope: a new kind of scope is a line here, and one in `Principal.scopes`."""
    kind, id = scope
    if kind == "organisation":
        return true()
    if kind == "tag":
        return table.tags.contains(f",{id},", autoescape=True)
    column = {"key": table.key_id, "user": table.user_id, "team": table.team_id, "model": table.model}[kind]
    return column == id
