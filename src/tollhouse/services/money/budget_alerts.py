"""Who watches a budget is told when half, four fifths and all of it are spent: once a period each."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tollhouse import logs, metrics
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.webhooks import Event, same_id
from tollhouse.services.money.budget_alert import BudgetAlert, document_of
from tollhouse.services.money.budget_start import terms_of
from tollhouse.services.money.scopes import team_of
from tollhouse.services.outbox import NOBODY, Tells
from tollhouse.store.database import Database
from tollhouse.store.ledger.budget_book import window_of
from tollhouse.store.records import BudgetAlertDeliveryRecord, BudgetAlertRecord, BudgetRecord, BudgetWindowRecord

PERCENTS = (50, 80, 100)

_KNOWN = select(BudgetAlertRecord.window_id, BudgetAlertRecord.percent)


Tell = Callable[[BudgetAlert], None]
"""Tells one alert to whoever is to know. What it raises leaves the alert to be told at the next run."""


def log_alert(alert: BudgetAlert) -> None:
    """Into the log and the metrics, where everybody watches anyway."""
    metrics.BUDGET_ALERTS.labels(alert.scope[0], str(alert.percent)).inc()
    logs.event(
        "budget_alert",
        level=logs.WARNING,
        budget=alert.budget_id,
        scope=":".join(alert.scope),
        period=alert.period,
        hard=alert.hard,
        percent=alert.percent,
        spent_usd=usd_from_nanos(alert.spent),
        limit_usd=usd_from_nanos(alert.limit),
    )


class BudgetAlerts:
    """At least once: an alert is written before it is told, and what was not told is told again."""

    def __init__(self, database: Database, tell: Tell, channels: Sequence[str] = (), outbox: Tells = NOBODY) -> None:
        """`channels` are those on which an alert is delivered as well, by `AlertDeliveries`."""
        self._database = database
        self._outbox = outbox
        self._tell = tell
        self._channels = channels
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    def any_due(self) -> bool:
        """Whether there is anything to raise, or to tell."""
        return bool(self._fresh()[0] or self._untold())

    def run(self) -> int:
        """Raise what is due and tell what was not told; how many were told. One process at a time may run it twice
        as well: then an alert may be told twice. Raises what `tell` raises.
        """
        self._raise()
        untold = self._untold()
        for row, alert in untold:
            self._tell(alert)
            with self._database.write() as session:
                session.merge(row).told_at = self._database.now(session)
        return len(untold)

    def _fresh(self) -> tuple[list[dict[str, Any]], dict[str, BudgetRecord]]:
        """The rows of alerts that nobody has raised, and their budgets by id."""
        with self._database.read() as session:
            now = self._database.now(session)
            spent = _spent_in_part(session)
            due = [
                {
                    "window_id": window.id,
                    "percent": percent,
                    "budget_id": budget.id,
                    "spent": window.spent,
                    "limit_nanos": budget.limit_nanos,
                    "raised_at": now,
                }
                for budget, window in spent
                if window.id == window_of(terms_of(budget), now)[0].id
                for percent in PERCENTS
                if window.spent * 100 >= budget.limit_nanos * percent
            ]
            known = {(id, percent) for id, percent in session.execute(_KNOWN)}
        fresh = [row for row in due if (row["window_id"], row["percent"]) not in known]
        return fresh, {budget.id: budget for budget, _ in spent}

    def _raise(self) -> None:
        fresh, budgets = self._fresh()
        if fresh:
            with self._database.write() as session:
                session.execute(self._insert(BudgetAlertRecord).values(fresh).on_conflict_do_nothing())
                for row in fresh:
                    self._outbox.add(session, _event(session, row, budgets[str(row["budget_id"])]))
                if rows := [_delivery(row, channel) for row in fresh for channel in self._channels]:
                    session.execute(self._insert(BudgetAlertDeliveryRecord).values(rows).on_conflict_do_nothing())

    def _untold(self) -> list[tuple[BudgetAlertRecord, BudgetAlert]]:
        with self._database.read() as session:
            rows = session.execute(
                select(BudgetAlertRecord, BudgetRecord)
                .join(BudgetRecord, BudgetRecord.id == BudgetAlertRecord.budget_id)
                .where(BudgetAlertRecord.told_at.is_(None))
                .order_by(BudgetAlertRecord.raised_at, BudgetAlertRecord.percent)
            ).all()
        return [(row, alert_of(row, budget)) for row, budget in rows]


def alert_of(row: BudgetAlertRecord, budget: BudgetRecord) -> BudgetAlert:
    return _alert(budget, row.percent, row.spent, row.limit_nanos, row.raised_at)


def _alert(budget: BudgetRecord, percent: int, spent: int, limit: int, raised_at: datetime) -> BudgetAlert:
    scope = (budget.scope_kind, budget.scope_id)
    return BudgetAlert(budget.id, scope, budget.period, budget.hard, percent, spent, limit, raised_at)


def _event(session: Session, row: dict[str, Any], budget: BudgetRecord) -> Event:
    alert = _alert(budget, row["percent"], row["spent"], row["limit_nanos"], row["raised_at"])
    data = {name: value for name, value in document_of(alert).items() if name != "type"}
    return Event(
        "budget.alert",
        team_of(session, alert.scope),
        data,
        same_id("budget.alert", row["window_id"], str(alert.percent)),
    )


def _delivery(row: dict[str, Any], channel: str) -> dict[str, Any]:
    return {
        "window_id": row["window_id"],
        "percent": row["percent"],
        "channel": channel,
        "attempts": 0,
        "due_at": row["raised_at"],
        "delivered": False,
    }


def _spent_in_part(session: Session) -> list[tuple[BudgetRecord, BudgetWindowRecord]]:
    """Windows of budgets in force of which the first share may be spent."""
    rows = session.execute(
        select(BudgetRecord, BudgetWindowRecord)
        .join(BudgetWindowRecord, BudgetWindowRecord.budget_id == BudgetRecord.id)
        .where(BudgetRecord.retired_at.is_(None), BudgetRecord.limit_nanos > 0)
        .where(BudgetWindowRecord.spent >= BudgetRecord.limit_nanos / 100 * PERCENTS[0])
    )
    return [(budget, window) for budget, window in rows]
