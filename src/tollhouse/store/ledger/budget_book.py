"""Which budgets there are, and which window of each a hold falls in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from tollhouse.domain.periods import period_bounds
from tollhouse.domain.principal import Scope
from tollhouse.store.records import BudgetRecord


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget's definition, as of one version of the database."""

    id: str
    scope: Scope
    limit: int
    period: str
    timezone: str
    hard: bool


@dataclass(frozen=True, slots=True)
class Window:
    """One period of one budget."""

    id: str
    budget: Budget
    starts_at: datetime


def window_of(budget: Budget, now: datetime) -> tuple[Window, datetime | None]:
    """The window that `now` falls in, and when it ends."""
    starts_at, ends_at = period_bounds(budget.period, budget.timezone, now)
    return Window(f"{budget.id}@{int(starts_at.timestamp())}", budget, starts_at), ends_at


class BudgetBook:
    """All budgets in force, by scope. Loaded inside the transaction that first sees a new version."""

    def __init__(self) -> None:
        self.version = -1
        self.made: set[str] = set()
        """Ids of windows whose rows are known to exist."""
        self._by_scope: dict[Scope, list[Budget]] = {}
        self._windows: dict[str, tuple[Window, datetime | None]] = {}

    def load(self, connection: Connection, version: int) -> None:
        rows = connection.execute(select(BudgetRecord.__table__).where(BudgetRecord.retired_at.is_(None)))
        by_scope: dict[Scope, list[Budget]] = {}
        for row in rows:
            scope = (row.scope_kind, row.scope_id)
            budget = Budget(row.id, scope, row.limit_nanos, row.period, row.timezone, row.hard)
            by_scope.setdefault(scope, []).append(budget)
        self._by_scope, self._windows, self.made = by_scope, {}, set()
        self.version = version

    def has_hard(self, scopes: Sequence[Scope]) -> bool:
        return any(budget.hard for scope in scopes for budget in self._by_scope.get(scope, ()))

    def windows(self, scopes: Iterable[Scope], now: datetime) -> list[Window]:
        """The windows that a hold made now is taken from."""
        found = []
        for scope in scopes:
            for budget in self._by_scope.get(scope, ()):
                known = self._windows.get(budget.id)
                if known is None or now < known[0].starts_at or (known[1] is not None and now >= known[1]):
                    known = self._windows[budget.id] = window_of(budget, now)
                found.append(known[0])
        return found
