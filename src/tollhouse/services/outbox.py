"""The outbox: what happened is written for the webhooks that hear of it in the very transaction in which it happens."""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import orjson
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tollhouse.domain.identifiers import new_id
from tollhouse.domain.webhooks import Event, hears
from tollhouse.services.wake_ups import wake_after
from tollhouse.store.database import Database
from tollhouse.store.records import WebhookDeliveryRecord, WebhookRecord

WAITING, RUNNING, DELIVERED, FAILED = 0, 1, 2, 3
WAKE_SECONDS = 1.0
"""Whoever was woken looks for longer than that what there is: none needs to be woken again meanwhile."""


class Tells(Protocol):
    """What services need that have something to tell."""

    def add(self, session: Session, event: Event) -> None: ...


class _Nobody:
    def add(self, session: Session, event: Event) -> None:
        pass


NOBODY: Tells = _Nobody()
"""Where no webhooks are."""


class Outbox:
    """Where nobody hears of an event, it leaves nothing."""

    def __init__(self, database: Database, wake: Callable[[], object]) -> None:
        """`wake` tells a worker that there is something to deliver; it is called from a thread of its own."""
        self._database = database
        self._wake = wake
        self._woken_at = -WAKE_SECONDS
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    def add(self, session: Session, event: Event) -> None:
        """Tell the event, if the session's transaction is committed. A worker is woken then by itself."""
        row = WebhookRecord
        # What happens to the organisation alone is of no team.
        hearing = row.team_id.is_(None) | (row.team_id == (event.team_id or ""))
        found = session.execute(select(row.id, row.event_types).where(row.disabled_at.is_(None), hearing))
        webhooks = [id for id, event_types in found if hears(event_types, event.type)]
        if webhooks:
            self.put(session, event, webhooks)

    def put(self, session: Session, event: Event, webhook_ids: list[str]) -> list[str]:
        """Tell it to these, unless they were told before; the ids of the deliveries, in the order of the webhooks."""
        now = self._database.now(session)
        event_id = event.id or new_id("evt")
        document = {
            "id": event_id,
            "object": "event",
            "created_at": int(now.timestamp()),
            "type": event.type,
            "data": event.data,
        }
        rows: list[dict[str, Any]] = [
            {
                "id": new_id("dlv"),
                "webhook_id": webhook_id,
                "event_id": event_id,
                "event_type": event.type,
                "payload": orjson.dumps(document),
                "created_at": now,
                "state": WAITING,
                "attempt": 0,
                "failures": 0,
                "due_at": now,
                "log": [],
            }
            for webhook_id in webhook_ids
        ]
        session.flush()
        session.execute(self._insert(WebhookDeliveryRecord).values(rows).on_conflict_do_nothing())
        self.wake_after(session)
        return [row["id"] for row in rows]

    def wake_after(self, session: Session) -> None:
        """Wake a worker when the session's transaction is over."""
        wake_after(session, self._over)

    def _over(self) -> None:
        if time.monotonic() - self._woken_at >= WAKE_SECONDS:
            self._woken_at = time.monotonic()
            # Redis may be silent for a moment, and whoever committed waits for nobody.
            threading.Thread(target=self._wake, name="wake deliveries", daemon=True).start()
