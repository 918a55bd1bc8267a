"""Deliveries of webhooks as people see them: listed, made again, asked for as a test, deleted in the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, NotFound
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.domain.webhooks import TEST_EVENT, Event
from tollhouse.services.audit import note
from tollhouse.services.outbox import DELIVERED, FAILED, RUNNING, WAITING, Outbox
from tollhouse.services.webhooks.webhooks import checked_type, find_webhook
from tollhouse.store.database import Database
from tollhouse.store.records import WebhookDeliveryRecord, WebhookRecord

STATES = {WAITING: "waiting", RUNNING: "sending", DELIVERED: "delivered", FAILED: "failed"}
CHUNK = 500
"""Rows that are deleted, or made again, at once: keeps SQLite's write lock under 50 ms."""
_NUMBERS = {name: number for number, name in STATES.items()}
_SAMPLES = {"response": "resp_test", "batch": "batch_test"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to one webhook. `event_id` is its `webhook-id`, the same for each attempt; `next_attempt_at`
    is there while it waits. `log` has the latest attempts: `attempt`, `at`, `status`, `error`, `milliseconds` of each.
    """

    id: str
    webhook_id: str
    event_id: str
    event_type: str
    state: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    payload: Mapping[str, Any]
    log: tuple[Mapping[str, Any], ...]


class WebhookDeliveries:
    def __init__(self, database: Database, outbox: Outbox, *, days: int) -> None:
        """They are kept for so many `days`."""
        self._database = database
        self._outbox = outbox
        self._kept_for = timedelta(days=days)

    def page(
        self,
        webhook_id: str,
        limit: int,
        after: str | None = None,
        *,
        state: str | None = None,
        event_type: str | None = None,
        by: Actor = SYSTEM,
    ) -> Page[Delivery]:
        """Deliveries to a webhook, newest first."""
        row = WebhookDeliveryRecord
        asked = select(row).where(row.webhook_id == webhook_id).order_by(row.id.desc()).limit(limit + 1)
        if state is not None:
            asked = asked.where(row.state == _NUMBERS[state])
        if event_type is not None:
            asked = asked.where(row.event_type == event_type)
        if after is not None:
            asked = asked.where(row.id < after)
        with self._database.read() as session:
            find_webhook(session, webhook_id, by, Right.VIEW_WEBHOOKS)
            shown = [_shown(one) for one in session.scalars(asked)]
        return page_of(shown, limit, lambda delivery: delivery.id)

    def get(self, webhook_id: str, id: str, *, by: Actor = SYSTEM) -> Delivery:
        with self._database.read() as session:
            find_webhook(session, webhook_id, by, Right.VIEW_WEBHOOKS)
            return _shown(_found(session, webhook_id, id))

    def redeliver(self, webhook_id: str, id: str, *, by: Actor = SYSTEM) -> Delivery:
        """Attempt it again from now on, as if it were new; receivers know it by its `event_id`. Raises Conflict while
        it is being sent, or where the webhook is disabled.
        """
        with self._database.write() as session:
            webhook = _enabled(session, webhook_id, by)
            row = _found(session, webhook_id, id, lock=True)
            now = self._database.now(session)
            if row.state == RUNNING and row.lease_until is not None and row.lease_until > now:
                raise Conflict(f"The delivery {id} is being sent just now.")
            row.state, row.failures, row.due_at, row.ended_at = WAITING, 0, now, None
            note(session, by, "webhooks.redeliver", webhook_id, at=now, team_id=webhook.team_id, after={"delivery": id})
            self._outbox.wake_after(session)
            return _shown(row)

    def redeliver_failed(
        self, webhook_id: str, since: datetime, until: datetime | None = None, *, by: Actor = SYSTEM
    ) -> int:
        """As `redeliver`, of what failed and was to be told from `since` on, before `until`: the oldest of it, as many
        as one transaction may change. How many that were: ask again until there are none.
        """
        row = WebhookDeliveryRecord
        with self._database.write() as session:
            webhook = _enabled(session, webhook_id, by)
            now = self._database.now(session)
            failed = (row.webhook_id == webhook_id, row.state == FAILED, row.created_at >= since)
            chosen = select(row.id).where(*failed, row.created_at < (until or now)).order_by(row.created_at, row.id)
            ids = session.scalars(chosen.limit(CHUNK)).all()
            again = {"state": WAITING, "failures": 0, "due_at": now, "ended_at": None}
            session.execute(update(row).where(row.id.in_(ids), row.state == FAILED).values(**again))
            if ids:
                after = {"deliveries": len(ids), "since": since.isoformat()}
                note(session, by, "webhooks.redeliver", webhook_id, at=now, team_id=webhook.team_id, after=after)
                self._outbox.wake_after(session)
        return len(ids)

    def test(self, webhook_id: str, event_type: str | None = None, *, by: Actor = SYSTEM) -> Delivery:
        """Send a made-up event, by the way of all others. Raises InvalidField, and Conflict where it is disabled."""
        with self._database.write() as session:
            webhook = _enabled(session, webhook_id, by)
            event_type = checked_type(event_type or TEST_EVENT, "event_type", webhook.team_id)
            kind = event_type.partition(".")[0]
            data = {"id": _SAMPLES[kind]} if kind in _SAMPLES else {"id": webhook_id, "test": True}
            event = Event(event_type, webhook.team_id, data)
            (id,) = self._outbox.put(session, event, [webhook_id])
            now = self._database.now(session)
            note(session, by, "webhooks.test", webhook_id, at=now, team_id=webhook.team_id, after={"delivery": id})
            return _shown(_found(session, webhook_id, id))

    def expire(self) -> int:
        """Delete those whose days are over, or whose webhook is no more; how many."""
        row = WebhookDeliveryRecord
        deleted = 0
        while True:
            with self._database.write() as session:
                before = self._database.now(session) - self._kept_for
                orphaned = ~select(WebhookRecord.id).where(WebhookRecord.id == row.webhook_id).exists()
                old = session.scalars(select(row.id).where(or_(row.created_at < before, orphaned)).limit(CHUNK)).all()
                session.execute(delete(row).where(row.id.in_(old)))
            deleted += len(old)
            if len(old) < CHUNK:
                return deleted


def _enabled(session: Session, webhook_id: str, by: Actor) -> WebhookRecord:
    webhook = find_webhook(session, webhook_id, by, Right.CHANGE_WEBHOOKS)
    if webhook.disabled_at is not None:
        raise Conflict(f"The webhook {webhook_id} is disabled: enable it first.")
    return webhook


def _found(session: Session, webhook_id: str, id: str, *, lock: bool = False) -> WebhookDeliveryRecord:
    row = session.get(WebhookDeliveryRecord, id, with_for_update=lock)
    if row is None or row.webhook_id != webhook_id:
        raise NotFound(f"There is no delivery {id[:60]!r} to this webhook.", param="id")
    return row


def _shown(row: WebhookDeliveryRecord) -> Delivery:
    return Delivery(
        row.id,
        row.webhook_id,
        row.event_id,
        row.event_type,
        STATES[row.state],
        row.attempt,
        row.created_at,
        row.due_at if row.state == WAITING else None,
        row.ended_at,
        orjson.loads(row.payload),
        tuple(row.log),
    )
