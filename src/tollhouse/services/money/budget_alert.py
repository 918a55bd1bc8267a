"""A share of a budget that was spent, and the words in which it is told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.principal import Scope


@dataclass(frozen=True, slots=True)
class BudgetAlert:
    """A share of a budget that was reached. Amounts are nano-dollars."""

    budget_id: str
    scope: Scope
    period: str
    hard: bool
    percent: int
    spent: int
    limit: int
    raised_at: datetime


def document_of(alert: BudgetAlert) -> dict[str, Any]:
    """For programs; `text` is what chat services show."""
    return {
        "text": text_of(alert),
        "type": "budget.alert",
        "budget_id": alert.budget_id,
        "scope": {"kind": alert.scope[0], "id": alert.scope[1]},
        "period": alert.period,
        "hard": alert.hard,
        "percent": alert.percent,
        "spent_usd": usd_from_nanos(alert.spent),
        "limit_usd": usd_from_nanos(alert.limit),
        "raised_at": alert.raised_at.isoformat().replace("+00:00", "Z"),
    }


def subject_of(alert: BudgetAlert) -> str:
    return f"{alert.percent} % of the budget of {' '.join(alert.scope)} is spent"


def text_of(alert: BudgetAlert) -> str:
    """A sentence or two, for people."""
    when = {"total": "in total", "day": "today"}.get(alert.period, f"this {alert.period}")
    spent, limit = usd_from_nanos(alert.spent), usd_from_nanos(alert.limit)
    rest = "Calls that could cost more than what is left are refused." if alert.hard else "It is soft: calls go on."
    return f"{subject_of(alert)}: {spent} of {limit} USD {when}. {rest}"
