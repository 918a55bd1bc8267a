"""Webhooks at which nothing arrives: disabled after days of it, or where a receiver says that it is gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, update
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM
from tollhouse.domain.webhooks import Event
from tollhouse.services.audit import note
from tollhouse.services.outbox import Tells
from tollhouse.store.columns import Instant
from tollhouse.store.records import WebhookRecord

GONE, FAILING, BY_HAND = "gone", "failing", "by_hand"
LEAST_FAILURES = 10
"""In a row, before time counts: a webhook of which little is heard is not given up for one bad delivery."""

_row: Any = WebhookRecord.__table__


@dataclass(frozen=True, slots=True)
class Disabled:
    """A webhook that was disabled just now, for `reason`. `user_id` is who made it, where that was a person."""

    id: str
    team_id: str | None
    user_id: str | None
    name: str
    reason: str
    failures: int
    failing_since: datetime


class WebhookHealth:
    """In transactions of the caller's."""

    def __init__(self, outbox: Tells, disable_after: timedelta) -> None:
        self._outbox = outbox
        self._disable_after = disable_after

    def worked(self, session: Session, id: str) -> None:
        """Something arrived there."""
        session.execute(update(_row).where(_row.c.id == id, _row.c.failures > 0).values(failures=0, failing_since=None))

    def failed(self, session: Session, id: str, now: datetime, *, gone: bool) -> Disabled | None:
        """An attempt there failed; what was disabled by that. With it, the other webhooks are told."""
        since = func.coalesce(_row.c.failing_since, literal(now, Instant))
        counted = session.execute(
            update(_row)
            .where(_row.c.id == id)
            .values(failures=_row.c.failures + 1, failing_since=since)
            .returning(_row)
        ).one_or_none()
        if counted is None or counted.disabled_at is not None:
            return None
        dead = counted.failures >= LEAST_FAILURES and now - counted.failing_since >= self._disable_after
        if not (gone or dead):
            return None
        reason = GONE if gone else FAILING
        session.execute(update(_row).where(_row.c.id == id).values(disabled_at=now, disabled_for=reason))
        note(
            session,
            SYSTEM,
            "webhooks.disable",
            id,
            at=now,
            team_id=counted.team_id,
            before={"enabled": True},
            after={"enabled": False, "disabled_for": reason},
        )
        data = {"id": id, "name": counted.name, "reason": reason, "failures": counted.failures}
        self._outbox.add(session, Event("webhook.disabled", counted.team_id, data))
        return Disabled(
            id, counted.team_id, counted.user_id, counted.name, reason, counted.failures, counted.failing_since
        )
