"""Deliveries of webhooks, in SQL: claimed, ended, tried again later. An attempt number fences what comes late."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from tollhouse.services.batches.pace import Wish, shares
from tollhouse.services.outbox import DELIVERED, FAILED, RUNNING, WAITING, Tells
from tollhouse.services.webhooks.health import Disabled, WebhookHealth
from tollhouse.store.database import Database
from tollhouse.store.records import WebhookDeliveryRecord, WebhookRecord, WebhookSecretRecord

PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 6 * 3600 + 25 * 60)
)
"""Before each further attempt, as Standard Webhooks proposes them: eight attempts in 24 hours."""
JITTER = 0.1
LONGEST_PAUSE = timedelta(hours=12)
"""How long a receiver may ask to be left alone."""
AT_ONCE_EACH = 8
"""Deliveries to one webhook that are under way at once, in all processes: no receiver is flooded, and none that hangs
has all places.
"""
LOGGED = 20
"""Attempts that a delivery's log has, the latest."""
DIED = "The gateway's process died over this attempt."

_row: Any = WebhookDeliveryRecord.__table__
_webhooks: Any = WebhookRecord.__table__
_secrets: Any = WebhookSecretRecord.__table__


class Lost(Exception):
    """Somebody else has the delivery: what comes of this attempt changes nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is this process's to attempt until `lease_until`. `secrets` are sealed, newest first; `failures`
    are the attempts that failed before.
    """

    id: str
    webhook_id: str
    event_id: str
    event_type: str
    url: str
    secrets: tuple[str, ...]
    payload: bytes
    attempt: int
    failures: int
    died: bool
    log: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Went:
    """How an attempt went: the status that was answered, or the error that kept it from one."""

    milliseconds: int
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more, ever."""
        return self.status == 410


class WebhookClaims:
    """For the process `owner`, whose attempts end within `lease`."""

    def __init__(
        self, database: Database, outbox: Tells, owner: str, *, lease: timedelta, disable_after: timedelta
    ) -> None:
        self._database = database
        self._health = WebhookHealth(outbox, disable_after)
        self._owner = owner
        self._lease = lease

    def any_due(self, within: float = 0.0) -> bool:
        """Whether there is anything to attempt, now or in so many seconds."""
        with self._database.read() as session:
            by = self._database.now(session) + timedelta(seconds=within)
            return session.execute(_with_some(by).limit(1)).first() is not None

    def claim(self, most: int) -> list[Claim]:
        """Up to so many that are due: shared between teams and their webhooks, the oldest of each first."""
        with self._database.read() as session:
            chosen = self._choose(session, most)
        if not chosen:
            return []
        with self._database.write() as session:
            now = self._database.now(session)
            # In an order that all keep to: two who take the same must not wait for each other.
            return [claim for one in sorted(chosen, key=lambda one: one.id) if (claim := self._take(session, one, now))]

    def _choose(self, session: Session, most: int) -> list[Row[Any]]:
        now = self._database.now(session)
        webhooks = session.execute(_with_some(now)).all()
        if not webhooks:
            return []
        alive = select(_row.c.webhook_id, func.count()).where(_row.c.state == RUNNING, _row.c.lease_until >= now)
        under_way = {one[0]: one[1] for one in session.execute(alive.group_by(_row.c.webhook_id))}
        due: dict[str, Sequence[Row[Any]]] = {}
        for one in webhooks:
            room = min(most, AT_ONCE_EACH - under_way.get(one.id, 0))
            if room > 0:
                due[one.id] = _due(session, one.id, now, room)
        wishes = [Wish(one.id, one.team_id or "", len(due[one.id])) for one in webhooks if one.id in due]
        places = shares(most, wishes, under_way)
        return [delivery for id, deliveries in due.items() for delivery in deliveries[: places[id]]]

    def _take(self, session: Session, one: Row[Any], now: datetime) -> Claim | None:
        """None where somebody was faster, or where it is not to be told any more."""
        webhook = session.execute(select(_webhooks.c.url).where(*_enabled(one.webhook_id))).one_or_none()
        if webhook is None:
            return None
        died = one.state == RUNNING
        log = [*one.log, _logged(one.attempt, now, Went(0, error=DIED))][-LOGGED:] if died else one.log
        values = {"lease_until": now + self._lease, "attempt": one.attempt + 1, "log": log}
        taken = session.execute(
            update(_row)
            .where(_row.c.id == one.id, _row.c.state == one.state, _row.c.attempt == one.attempt)
            .values(state=RUNNING, owner=self._owner, failures=_row.c.failures + int(died), **values)
            .returning(_row)
        ).one_or_none()
        if taken is None:
            return None
        in_force = _secrets.c.ends_at.is_(None) | (_secrets.c.ends_at > now)
        secrets = select(_secrets.c.sealed).where(_secrets.c.webhook_id == one.webhook_id, in_force)
        newest_first = (_secrets.c.ends_at.is_not(None), _secrets.c.ends_at.desc())
        return Claim(
            taken.id,
            taken.webhook_id,
            taken.event_id,
            taken.event_type,
            webhook.url,
            tuple(session.scalars(secrets.order_by(*newest_first))),
            bytes(taken.payload),
            taken.attempt,
            taken.failures,
            died,
            log,
        )

    def finish(self, claim: Claim, went: Went) -> Disabled | None:
        """The attempt went so; the webhook, where that disabled it. Raises Lost."""
        failures = claim.failures if went.arrived else claim.failures + 1
        over = went.arrived or went.gone or failures > len(PAUSES)
        with self._database.write() as session:
            now = self._database.now(session)
            log = [*claim.log, _logged(claim.attempt, now, went)][-LOGGED:]
            values: dict[str, Any] = {"failures": failures, "lease_until": None, "log": log}
            if over:
                values |= {"state": DELIVERED if went.arrived else FAILED, "ended_at": now}
            else:
                values |= {"state": WAITING, "due_at": now + _pause(failures, went.retry_after)}
            _end(session, claim, values)
            if went.arrived:
                self._health.worked(session, claim.webhook_id)
                return None
            return self._health.failed(session, claim.webhook_id, now, gone=went.gone)

    def give_back(self, claim: Claim, seconds: float) -> None:
        """It was not attempted, and is in so many seconds. Raises Lost."""
        with self._database.write() as session:
            due = self._database.now(session) + timedelta(seconds=seconds)
            _end(session, claim, {"state": WAITING, "due_at": due, "lease_until": None})


def _enabled(webhook_id: str) -> tuple[Any, ...]:
    return _webhooks.c.id == webhook_id, _webhooks.c.disabled_at.is_(None)


def _with_some(by: datetime) -> Any:
    """The webhooks that something is due of by then, each found by the index however much waits for others."""
    mine = _row.c.webhook_id == _webhooks.c.id
    waits = select(_row.c.id).where(mine, _row.c.state == WAITING, _row.c.due_at <= by)
    lost = select(_row.c.id).where(mine, _row.c.state == RUNNING, _row.c.lease_until < by)
    return (
        select(_webhooks.c.id, _webhooks.c.team_id)
        .where(_webhooks.c.disabled_at.is_(None), waits.exists() | lost.exists())
        .order_by(_webhooks.c.id)
    )


def _due(session: Session, webhook_id: str, now: datetime, most: int) -> Sequence[Row[Any]]:
    """Those of the dead first, then in the order in which they became due."""
    columns = (_row.c.id, _row.c.webhook_id, _row.c.state, _row.c.attempt, _row.c.log)
    mine = select(*columns).where(_row.c.webhook_id == webhook_id)
    lost = mine.where(_row.c.state == RUNNING, _row.c.lease_until < now).order_by(_row.c.id)
    found = list(session.execute(lost.limit(most)))
    waits = mine.where(_row.c.state == WAITING, _row.c.due_at <= now).order_by(_row.c.due_at, _row.c.id)
    return [*found, *session.execute(waits.limit(most - len(found)))]


def _end(session: Session, claim: Claim, values: dict[str, Any]) -> None:
    mine = (_row.c.id == claim.id, _row.c.attempt == claim.attempt, _row.c.state == RUNNING)
    if session.execute(update(_row).where(*mine).values(**values).returning(_row.c.id)).one_or_none() is None:
        raise Lost


def _pause(failures: int, retry_after: float | None) -> timedelta:
    usual = PAUSES[failures - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    asked = timedelta(seconds=min(retry_after or 0.0, LONGEST_PAUSE.total_seconds()))
    return max(usual, asked)


def _logged(attempt: int, at: datetime, went: Went) -> dict[str, Any]:
    return {
        "attempt": attempt,
        "at": at.isoformat().replace("+00:00", "Z"),
        "status": went.status,
        "error": went.error,
        "milliseconds": went.milliseconds,
    }
