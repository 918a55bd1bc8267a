"""Budget alerts on their way to whoever is told by mail or webhook: each until it has arrived, or long enough."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from tollhouse import logs, metrics
from tollhouse.services.money.budget_alert import BudgetAlert
from tollhouse.services.money.budget_alerts import alert_of
from tollhouse.store.database import Database
from tollhouse.store.records import BudgetAlertDeliveryRecord, BudgetAlertRecord, BudgetRecord

MOST_ATTEMPTS = 12
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
AT_ONCE = 50
"""Alerts that one run sends on one channel."""
KEPT_SECONDS = 30
"""How long a run waits for its channels: what they have not told by then is told at the next run."""

Send = Callable[[BudgetAlert], None]
"""Returns once the receiver has it. Whatever it raises, it is tried again later."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    row: BudgetAlertDeliveryRecord
    alert: BudgetAlert


class AlertDeliveries:
    """Once an alert and channel, or after a crash in the middle twice. Channels do not wait for each other, and one
    whose receiver is dead is asked once a run.
    """

    def __init__(self, database: Database, channels: Mapping[str, Send]) -> None:
        self._database = database
        self._channels = channels

    def any_due(self) -> bool:
        """Whether there is anything to send."""
        return any(self._due(channel) for channel in self._channels)

    def run(self) -> None:
        """Send what is due."""
        threads = [
            threading.Thread(target=self._work_off, args=(name, send), name=f"alerts by {name}", daemon=True)
            for name, send in self._channels.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(KEPT_SECONDS)

    def _work_off(self, channel: str, send: Send) -> None:
        for delivery in self._due(channel):
            if self._claim(delivery.row) and not self._deliver(delivery, send):
                return

    def _due(self, channel: str) -> Sequence[_Delivery]:
        row = BudgetAlertDeliveryRecord
        with self._database.read() as session:
            found = session.execute(
                select(row, BudgetAlertRecord, BudgetRecord)
                .join(
                    BudgetAlertRecord,
                    (BudgetAlertRecord.window_id == row.window_id) & (BudgetAlertRecord.percent == row.percent),
                )
                .join(BudgetRecord, BudgetRecord.id == BudgetAlertRecord.budget_id)
                .where(row.ended_at.is_(None), row.due_at <= self._database.now(session), row.channel == channel)
                .order_by(row.due_at, row.percent)
                .limit(AT_ONCE)
            ).all()
        return [_Delivery(due, alert_of(alert, budget)) for due, alert, budget in found]

    def _claim(self, row: BudgetAlertDeliveryRecord) -> bool:
        """Whether it is this run that sends it: it is due again later, unless it is ended before that."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**row.attempts)
        with self._database.write() as session:
            now = self._database.now(session)
            return self._changed(session, row, row.attempts, {"attempts": row.attempts + 1, "due_at": now + pause})

    def _deliver(self, delivery: _Delivery, send: Send) -> bool:
        row = delivery.row
        error = None
        try:
            send(delivery.alert)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is tried again
            error = failure
        last = error is not None and row.attempts + 1 >= MOST_ATTEMPTS
        outcome = "delivered" if error is None else "given_up" if last else "failed"
        metrics.BUDGET_ALERT_DELIVERIES.labels(row.channel, outcome).inc()
        if error is not None:
            logs.event(
                "budget_alert_not_delivered",
                level=logs.ERROR if last else logs.WARNING,
                channel=row.channel,
                budget=delivery.alert.budget_id,
                percent=row.percent,
                attempts=row.attempts + 1,
                error=getattr(error, "message", type(error).__name__),
            )
        if error is None or last:
            with self._database.write() as session:
                ended: dict[str, Any] = {"ended_at": self._database.now(session), "delivered": error is None}
                self._changed(session, row, row.attempts + 1, ended)
        return error is None

    def _changed(self, session: Any, row: BudgetAlertDeliveryRecord, attempts: int, values: dict[str, Any]) -> bool:
        record = BudgetAlertDeliveryRecord
        done = session.execute(
            update(record)
            .where(
                record.window_id == row.window_id,
                record.percent == row.percent,
                record.channel == row.channel,
                record.attempts == attempts,
                record.ended_at.is_(None),
            )
            .values(values),
            execution_options={"synchronize_session": False},
        )
        return bool(done.rowcount)
