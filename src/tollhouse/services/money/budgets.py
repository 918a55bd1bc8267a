"""Budgets: what a scope may spend a period."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.page import Page, every, page_of
from tollhouse.domain.periods import PERIODS, zone
from tollhouse.domain.principal import Scope
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.money.budget_start import open_window, terms_of
from tollhouse.services.money.scopes import EVERYTHING, Filter, owned_scope, owning_team, team_of, visible
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.ledger.budget_book import window_of
from tollhouse.store.ledger.tables import BUDGETS_LOCK
from tollhouse.store.records import BudgetRecord, BudgetWindowRecord

_TEAM = owning_team(BudgetRecord.scope_kind, BudgetRecord.scope_id)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and its present window. Amounts are nano-dollars. `team_id` is whose its scope is, None for the
    organisation.
    """

    id: str
    scope: Scope
    team_id: str | None
    limit: int
    period: str
    timezone: str
    hard: bool
    spent: int
    held: int
    starts_at: datetime
    created_at: datetime
    retired_at: datetime | None


Unchanged = Callable[[Budget], None]
"""Given what a budget is, inside the transaction that changes it; raises Changed where that is not what was seen."""


class Budgets:
    """One budget in force for each scope and period; what is changed applies from the next hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(
        self,
        scope: Scope,
        limit: int,
        period: str,
        *,
        timezone: str = "UTC",
        hard: bool = True,
        by: Actor = SYSTEM,
    ) -> Budget:
        """Make the budget, or change the one of this scope and period.

        A new one starts from what the ledger shows for its period, and from what is held at the
        moment: open calls that were admitted before it count as held in it.
        """
        terms = _Terms(limit, period, timezone, hard)
        _check(terms)
        with self._database.write() as session:
            self._alone(session)
            scope, team_id = owned_scope(session, scope, by)
            row = session.scalar(_in_force(scope, period))
            if row is None:
                return self._make(session, scope, team_id, terms, by)
            return self._change(session, row, team_id, terms, by)

    def create(
        self,
        scope: Scope,
        limit: int,
        period: str,
        *,
        timezone: str = "UTC",
        hard: bool = True,
        by: Actor = SYSTEM,
    ) -> Budget:
        """A budget of a scope and period that have none. Raises Conflict where there is one in force."""
        terms = _Terms(limit, period, timezone, hard)
        _check(terms)
        with self._database.write() as session:
            self._alone(session)
            scope, team_id = owned_scope(session, scope, by)
            if (there := session.scalar(_in_force(scope, period))) is not None:
                raise Conflict(f"There is the budget {there.id} of this scope and period: change that.", param="period")
            return self._make(session, scope, team_id, terms, by)

    def change(
        self,
        id: str,
        *,
        limit: int | None = None,
        timezone: str | None = None,
        hard: bool | None = None,
        by: Actor = SYSTEM,
        unless_changed: Unchanged | None = None,
    ) -> Budget:
        """Change what is not None. In another time zone it is another budget, which takes the place of this one and
        starts from the ledger. Raises Conflict where it is retired.
        """
        with self._database.write() as session:
            self._alone(session)
            row, team_id = self._found(session, id, by, Right.CHANGE_MONEY, unless_changed)
            if row.retired_at is not None:
                raise Conflict(f"The budget {id} is retired: make another.", param="id")
            terms = _Terms(
                row.limit_nanos if limit is None else limit,
                row.period,
                timezone or row.timezone,
                row.hard if hard is None else hard,
            )
            _check(terms)
            return self._change(session, row, team_id, terms, by)

    def all(self) -> list[Budget]:
        """All budgets in force, oldest first; for the shell."""
        return [*every(self.page)]

    def page(
        self,
        limit: int,
        after: str | None = None,
        *,
        wanted: Filter = EVERYTHING,
        period: str | None = None,
        by: Actor = SYSTEM,
    ) -> Page[Budget]:
        """Budgets in force of what they see, oldest first."""
        asked = select(BudgetRecord, _TEAM).where(BudgetRecord.retired_at.is_(None))
        if period is not None:
            asked = asked.where(BudgetRecord.period == period)
        if after is not None:
            asked = asked.where(BudgetRecord.id > after)
        asked = asked.order_by(BudgetRecord.id).limit(limit + 1)
        with self._database.read() as session:
            rows = session.execute(visible(asked, BudgetRecord, wanted, by)).all()
            shown = self._shown(session, [(row, team_id) for row, team_id in rows])
        return page_of(shown, limit, lambda budget: budget.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> Budget:
        """Also one that is retired."""
        with self._database.read() as session:
            return self._shown(session, [self._found(session, id, by, Right.VIEW_MONEY)])[0]

    def retire(self, id: str, *, by: Actor = SYSTEM, unless_changed: Unchanged | None = None) -> Budget:
        """End a budget; again is no error. It stays in the database: windows and reports refer to it."""
        with self._database.write() as session:
            self._alone(session)
            row, team_id = self._found(session, id, by, Right.CHANGE_MONEY, unless_changed)
            if row.retired_at is None:
                row.retired_at = self._database.now(session)
                note(session, by, "budgets.retire", id, at=row.retired_at, team_id=team_id, before=state_of(row))
            return self._shown(session, [(row, team_id)])[0]

    def _alone(self, session: Session) -> None:
        """Wait for the group commits that run, and keep the next ones out: none may miss the new budget."""
        announce(session)  # first of all, as all that may come to this in the middle of other changes have done
        if self._database.dialect == "postgresql":
            session.execute(text(f"SELECT pg_advisory_xact_lock({BUDGETS_LOCK})"))

    def _found(
        self, session: Session, id: str, by: Actor, right: Right, unless_changed: Unchanged | None = None
    ) -> tuple[BudgetRecord, str | None]:
        """The budget, which is as they saw it, and the team whose it is. What they do not see is not there."""
        missing = NotFound(f"There is no budget {id[:60]!r}; `tollhouse budgets list` shows them.", param="id")
        row = session.get(BudgetRecord, id)
        if row is None:
            raise missing
        team_id = team_of(session, (row.scope_kind, row.scope_id))
        by.require_in(team_id, right, missing)
        if unless_changed is not None:
            unless_changed(self._shown(session, [(row, team_id)])[0])
        return row, team_id

    def _change(self, session: Session, row: BudgetRecord, team_id: str | None, terms: "_Terms", by: Actor) -> Budget:
        now, before = self._database.now(session), state_of(row)
        if row.timezone == terms.timezone:
            row.limit_nanos, row.hard = terms.limit, terms.hard
            note(session, by, "budgets.change", row.id, at=now, team_id=team_id, before=before, after=state_of(row))
        else:
            row.retired_at = now
            note(session, by, "budgets.retire", row.id, at=now, team_id=team_id, before=before)
            return self._make(session, (row.scope_kind, row.scope_id), team_id, terms, by)
        return self._shown(session, [(row, team_id)])[0]

    def _make(self, session: Session, scope: Scope, team_id: str | None, terms: "_Terms", by: Actor) -> Budget:
        now = self._database.now(session)
        row = BudgetRecord(
            id=new_id("bud"),
            scope_kind=scope[0],
            scope_id=scope[1],
            limit_nanos=terms.limit,
            period=terms.period,
            timezone=terms.timezone,
            hard=terms.hard,
            created_at=now,
            retired_at=None,
        )
        session.add(row)
        session.flush()
        open_window(session, row, now)
        note(session, by, "budgets.create", row.id, at=now, team_id=team_id, after=state_of(row))
        session.flush()
        return self._shown(session, [(row, team_id)])[0]

    def _shown(self, session: Session, found: Sequence[tuple[BudgetRecord, str | None]]) -> list[Budget]:
        now = self._database.now(session)
        windows = {row.id: window_of(terms_of(row), now)[0] for row, _ in found}
        asked = select(BudgetWindowRecord).where(BudgetWindowRecord.id.in_([one.id for one in windows.values()]))
        sums = {window.budget_id: window for window in session.scalars(asked)}
        return [_shown(row, team_id, windows[row.id].starts_at, sums.get(row.id)) for row, team_id in found]


class _Terms(NamedTuple):
    """All of a budget that is not its scope."""

    limit: int
    period: str
    timezone: str
    hard: bool


def _in_force(scope: Scope, period: str) -> Select[BudgetRecord]:
    return select(BudgetRecord).where(
        BudgetRecord.scope_kind == scope[0],
        BudgetRecord.scope_id == scope[1],
        BudgetRecord.period == period,
        BudgetRecord.retired_at.is_(None),
    )


def _check(terms: _Terms) -> None:
    if terms.period not in PERIODS:
        raise InvalidField(f"period: it must be one of {', '.join(PERIODS)}.", param="period")
    try:
        zone(terms.timezone)
    except ValueError as error:
        raise InvalidField(f"timezone: {error}.", param="timezone") from None


def state_of(row: BudgetRecord) -> dict[str, Any]:
    """What of a budget the audit log has."""
    return {
        "scope": row.scope_kind,
        "scope_id": row.scope_id,
        "usd": usd_from_nanos(row.limit_nanos),
        "period": row.period,
        "timezone": row.timezone,
        "soft": not row.hard,
    }


def _shown(row: BudgetRecord, team_id: str | None, starts_at: datetime, sums: BudgetWindowRecord | None) -> Budget:
    spent, held = (sums.spent, sums.held) if sums else (0, 0)
    return Budget(
        id=row.id,
        scope=(row.scope_kind, row.scope_id),
        team_id=team_id,
        limit=row.limit_nanos,
        period=row.period,
        timezone=row.timezone,
        hard=row.hard,
        spent=spent,
        held=held,
        starts_at=starts_at,
        created_at=row.created_at,
        retired_at=row.retired_at,
    )
