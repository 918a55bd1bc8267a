"""Budgets and limits on what is no more."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.principal import Scope
from tollhouse.services.audit import note
from tollhouse.services.money.budgets import state_of as budget_state
from tollhouse.services.money.limits import state_of as limit_state
from tollhouse.services.money.scopes import team_of
from tollhouse.store.database import Database
from tollhouse.store.ledger.tables import BUDGETS_LOCK
from tollhouse.store.records import BudgetRecord, LimitRecord


def end_scopes(database: Database, session: Session, scopes: Sequence[Scope], by: Actor, at: datetime) -> None:
    """Retire the budgets and remove the limits on these, in the caller's transaction, who announces it."""
    budget, limit = BudgetRecord, LimitRecord
    on_them = tuple_(budget.scope_kind, budget.scope_id).in_(scopes)
    budgets = list(session.scalars(select(budget).where(on_them, budget.retired_at.is_(None))))
    if budgets and database.dialect == "postgresql":
        # No group commit decides by a budget that ends meanwhile.
        session.execute(text(f"SELECT pg_advisory_xact_lock({BUDGETS_LOCK})"))
    for one in budgets:
        one.retired_at = at
        team_id = team_of(session, (one.scope_kind, one.scope_id))
        note(session, by, "budgets.retire", one.id, at=at, team_id=team_id, before=budget_state(one))
    for row in session.scalars(select(limit).where(tuple_(limit.scope_kind, limit.scope_id).in_(scopes))):
        team_id = team_of(session, (row.scope_kind, row.scope_id))
        note(session, by, "limits.remove", row.id, at=at, team_id=team_id, before=limit_state(row))
        session.delete(row)
