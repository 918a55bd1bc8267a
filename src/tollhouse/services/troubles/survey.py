"""What the tables say of the moment: what is held, what waits, and for how long."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from tollhouse import metrics
from tollhouse.services.background.claims import WAITING
from tollhouse.store.database import Database
from tollhouse.store.records import (
    BackgroundRecord,
    BatchRecord,
    BudgetAlertDeliveryRecord,
    HoldRecord,
    ResponseRecord,
    WebhookDeliveryRecord,
    WebhookRecord,
)


@dataclass(frozen=True, slots=True)
class Queue:
    """So much waits, and the oldest that could be done has been due for `age` seconds without anybody taking it."""

    depth: int
    age: float


@dataclass(frozen=True, slots=True)
class Standing:
    """`held` is in nano-dollars."""

    held: int
    queues: Mapping[str, Queue]


class Survey:
    """Looks at all processes' work in SQL, for the metrics of one of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self) -> Standing:
        """Nothing more."""
        with self._database.read() as session:
            now = self._database.now(session)
            return Standing(
                held=int(session.scalar(select(func.coalesce(func.sum(HoldRecord.amount), 0))) or 0),
                queues={
                    "batch_lines": _batch_lines(session, now),
                    "responses": _responses(session, now),
                    "alerts": _alerts(session, now),
                    "webhooks": _deliveries(session, now),
                },
            )

    def run(self) -> Standing:
        """Look, and tell by metrics."""
        standing = self.look()
        metrics.HELD_NANODOLLARS.set(standing.held)
        for name, queue in standing.queues.items():
            metrics.QUEUE_DEPTH.labels(name).set(queue.depth)
            metrics.QUEUE_AGE_SECONDS.labels(name).set(queue.age)
        metrics.SCHEDULER_SURVEYED_SECONDS.set(time.time())
        return standing


def _batch_lines(session: Session, now: datetime) -> Queue:
    """A batch that is under way may take a day: it is late that has not begun."""
    row = BatchRecord
    left = session.scalar(select(func.sum(row.total - row.completed - row.failed)).where(row.is_open))
    begun = or_(row.in_progress_at.is_not(None), row.read_lines > 0)
    oldest = session.scalar(select(func.min(row.created_at)).where(row.is_open, row.ending.is_(None), ~begun))
    return Queue(max(0, int(left or 0)), _age(oldest, now))


def _responses(session: Session, now: datetime) -> Queue:
    row = BackgroundRecord
    waiting = row.state == WAITING
    depth = session.scalar(select(func.count()).select_from(row).where(waiting)) or 0
    due_at = func.coalesce(row.due_at, ResponseRecord.created_at)
    oldest = session.scalar(
        select(func.min(due_at)).join(ResponseRecord, ResponseRecord.id == row.id).where(waiting, due_at <= now)
    )
    return Queue(depth, _age(oldest, now))


def _alerts(session: Session, now: datetime) -> Queue:
    row = BudgetAlertDeliveryRecord
    depth, oldest = session.execute(
        select(func.count(), func.min(row.due_at)).select_from(row).where(row.ended_at.is_(None))
    ).one()
    return Queue(depth, _age(oldest, now))


def _deliveries(session: Session, now: datetime) -> Queue:
    """Those to webhooks that are enabled."""
    row = WebhookDeliveryRecord
    waiting = (row.state == WAITING, WebhookRecord.disabled_at.is_(None))
    of_webhook = WebhookRecord.id == row.webhook_id
    depth = session.scalar(select(func.count()).select_from(row).join(WebhookRecord, of_webhook).where(*waiting)) or 0
    due = select(func.min(row.due_at)).join(WebhookRecord, of_webhook).where(*waiting, row.due_at <= now)
    return Queue(depth, _age(session.scalar(due), now))


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
