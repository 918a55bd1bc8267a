"""Webhooks: where a team, or the organisation, is told what happens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.ports import Courier, Vault
from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.domain.rights import Right
from tollhouse.domain.webhooks import EVENT_TYPES, EVERY, TEST_EVENT
from tollhouse.services.audit import note
from tollhouse.services.naming import check_name
from tollhouse.services.outbox import Outbox
from tollhouse.services.people.teams import no_team
from tollhouse.services.webhooks.health import BY_HAND
from tollhouse.services.webhooks.signing import hint_of, new_secret
from tollhouse.store.database import Database
from tollhouse.store.records import TeamRecord, WebhookRecord, WebhookSecretRecord

LONGEST_URL = 2000
LONGEST_OVERLAP = timedelta(days=30)
MOST_SECRETS = 5
"""In force at once: each is one more signature on each delivery."""
MOST_WEBHOOKS = 50
"""Of one owner: each event is written for all that hear of it, in the transaction of what it tells."""
OF_THE_ORGANISATION = ("provider.down", "provider.credential_refused")


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One that deliveries are signed with, as it can be shown; None in `ends_at` for the newest."""

    hint: str
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it can be shown. `signing_secret` is there once: when it is made or rotated. `disabled_for` is
    "by_hand", "failing" or "gone"; `failures` in a row began at `failing_since`.
    """

    id: str
    team_id: str | None
    name: str
    url: str
    event_types: tuple[str, ...]
    enabled: bool
    disabled_for: str | None
    disabled_at: datetime | None
    failures: int
    failing_since: datetime | None
    created_at: datetime
    secrets: tuple[SigningSecret, ...]
    signing_secret: str | None = None


Unchanged = Callable[[Webhook], None]
"""Given what a webhook is, inside the transaction that changes it; raises Changed where that is not what was seen."""


class Webhooks:
    """A team's hear of what happens in it, the organisation's of what happens anywhere."""

    def __init__(self, database: Database, vault: Vault, courier: Courier, outbox: Outbox) -> None:
        self._database = database
        self._vault = vault
        self._courier = courier
        self._outbox = outbox

    def check(self, name: str, url: str, event_types: Sequence[str], *, team_id: str | None) -> str:
        """The name as it is kept, of a webhook that can be made of this. Raises InvalidField."""
        self._check_url(url)
        _checked_types(event_types, team_id)
        return check_name(name, "name")

    def create(
        self,
        name: str,
        url: str,
        event_types: Sequence[str],
        *,
        team_id: str | None = DEFAULT_TEAM,
        by: Actor = SYSTEM,
    ) -> Webhook:
        """A new webhook of the team, or, with None, of the organisation. Raises InvalidField, NotFound, Conflict."""
        by.require_in(team_id, Right.CHANGE_WEBHOOKS, no_team(team_id or ""))
        name = check_name(name, "name")
        self._check_url(url)
        kinds = _checked_types(event_types, team_id)
        with self._database.write() as session:
            now = self._database.now(session)
            if team_id is not None and session.get(TeamRecord, team_id) is None:
                raise no_team(team_id)
            mine = WebhookRecord.team_id == team_id if team_id else WebhookRecord.team_id.is_(None)
            if (session.scalar(select(func.count()).select_from(WebhookRecord).where(mine)) or 0) >= MOST_WEBHOOKS:
                raise Conflict(f"There are {MOST_WEBHOOKS} webhooks already, which is the most: remove one first.")
            row = WebhookRecord(
                id=new_id("whk"),
                team_id=team_id,
                user_id=by.id if by.kind == "person" else None,
                name=name,
                url=url,
                event_types=kinds,
                created_at=now,
                failures=0,
            )
            session.add(row)
            secret = self._add_secret(session, row.id, now)
            note(session, by, "webhooks.create", row.id, at=now, team_id=team_id, after=_state(row))
            return _shown(session, row, now, secret)

    def page(
        self, limit: int, after: str | None = None, *, team_id: str | None = None, by: Actor = SYSTEM
    ) -> Page[Webhook]:
        """Webhooks that they may see, oldest first; those of a team, or all."""
        asked = select(WebhookRecord).order_by(WebhookRecord.id).limit(limit + 1)
        if team_id is not None:
            by.require_in(team_id, Right.VIEW_WEBHOOKS, no_team(team_id))
            asked = asked.where(WebhookRecord.team_id == team_id)
        elif (seen := by.teams_with(Right.VIEW_WEBHOOKS)) is not None:
            if not seen:
                by.require(Right.VIEW_WEBHOOKS)
            asked = asked.where(WebhookRecord.team_id.in_(seen))
        if after is not None:
            asked = asked.where(WebhookRecord.id > after)
        with self._database.read() as session:
            now = self._database.now(session)
            shown = [_shown(session, row, now) for row in session.scalars(asked).all()]
        return page_of(shown, limit, lambda webhook: webhook.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> Webhook:
        with self._database.read() as session:
            return _shown(session, find_webhook(session, id, by, Right.VIEW_WEBHOOKS), self._database.now(session))

    def change(
        self, id: str, changes: Mapping[str, Any], *, by: Actor = SYSTEM, unless_changed: Unchanged | None = None
    ) -> Webhook:
        """Set what `changes` has of name, url, event_types, enabled. What waits goes on when it is enabled again."""
        if "url" in changes:
            self._check_url(changes["url"])
        with self._database.write() as session:
            row, now = self._found(session, id, by, unless_changed)
            before, more = _state(row), {}
            if "name" in changes:
                row.name = check_name(changes["name"], "name")
            if changes.get("url", row.url) != row.url:
                row.url, more = changes["url"], {"url": "changed"}
            if "event_types" in changes:
                row.event_types = _checked_types(changes["event_types"], row.team_id)
            if changes.get("enabled") is False:
                # Also where it was disabled for another reason: it is meant to be now.
                row.disabled_at, row.disabled_for = row.disabled_at or now, BY_HAND
            if changes.get("enabled") and row.disabled_at is not None:
                row.disabled_at = row.disabled_for = row.failing_since = None
                row.failures = 0
                self._outbox.wake_after(session)
            after = _state(row) | more
            note(session, by, "webhooks.change", id, at=now, team_id=row.team_id, before=before, after=after)
            return _shown(session, row, now)

    def rotate(
        self,
        id: str,
        *,
        overlap: timedelta = timedelta(0),
        by: Actor = SYSTEM,
        unless_changed: Unchanged | None = None,
    ) -> Webhook:
        """Sign with a new secret. The newest before is signed with too for the overlap, and those before it as long as
        was said then; without an overlap all of them end now. Raises Conflict.
        """
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise InvalidField(f"overlap: it may be {LONGEST_OVERLAP.days} days at most.", param="overlap")
        secret = WebhookSecretRecord
        with self._database.write() as session:
            row, now = self._found(session, id, by, unless_changed)
            over = secret.ends_at <= now if overlap else secret.webhook_id == id
            session.execute(delete(secret).where(secret.webhook_id == id, over))
            if overlap and len(_secrets(session, id, now)) >= MOST_SECRETS:
                raise Conflict(f"{MOST_SECRETS} secrets are in force: wait until one ends, or end all with no overlap.")
            newest = (secret.webhook_id == id, secret.ends_at.is_(None))
            session.execute(update(secret).where(*newest).values(ends_at=now + overlap))
            fresh = self._add_secret(session, id, now)
            after = {"overlap_seconds": int(overlap.total_seconds())}
            note(session, by, "webhooks.rotate", id, at=now, team_id=row.team_id, after=after)
            return _shown(session, row, now, fresh)

    def remove(self, id: str, *, by: Actor = SYSTEM, unless_changed: Unchanged | None = None) -> None:
        """Nothing more is told there. Its deliveries are deleted later."""
        with self._database.write() as session:
            row, now = self._found(session, id, by, unless_changed)
            session.execute(delete(WebhookSecretRecord).where(WebhookSecretRecord.webhook_id == id))
            note(session, by, "webhooks.remove", id, at=now, team_id=row.team_id, before=_state(row))
            session.delete(row)

    def _found(
        self, session: Session, id: str, by: Actor, unless_changed: Unchanged | None
    ) -> tuple[WebhookRecord, datetime]:
        """The webhook, which they may change, and which is as they saw it."""
        row, now = find_webhook(session, id, by, Right.CHANGE_WEBHOOKS, lock=True), self._database.now(session)
        if unless_changed is not None:
            unless_changed(_shown(session, row, now))
        return row, now

    def _add_secret(self, session: Session, webhook_id: str, now: datetime) -> str:
        secret = new_secret()
        sealed, hint = self._vault.seal(secret), hint_of(secret)
        session.add(
            WebhookSecretRecord(id=new_id("whs"), webhook_id=webhook_id, sealed=sealed, hint=hint, created_at=now)
        )
        session.flush()
        return secret

    def _check_url(self, url: str) -> None:
        if len(url) > LONGEST_URL:
            raise InvalidField(f"url: it is longer than {LONGEST_URL} characters.", param="url")
        self._courier.check(url)


def find_webhook(session: Session, id: str, by: Actor, right: Right, *, lock: bool = False) -> WebhookRecord:
    """The webhook, on which they have the right. What they do not see is not there."""
    missing = NotFound(f"There is no webhook {id[:60]!r}; `tollhouse webhooks list` shows them.", param="id")
    row = session.get(WebhookRecord, id, with_for_update=lock)
    if row is None:
        raise missing
    by.require_in(row.team_id, right, missing)
    return row


def checked_type(name: str, field: str, team_id: str | None) -> str:
    """The type of event, of which a webhook of this owner can hear. InvalidField names the field."""
    if name not in EVENT_TYPES and name != TEST_EVENT:
        raise InvalidField(
            f"{field}: there is no event {name[:60]!r}; there are {', '.join(EVENT_TYPES)}.", param=field
        )
    if team_id is not None and name in OF_THE_ORGANISATION:
        raise InvalidField(f"{field}: of {name} only webhooks of the organisation hear (`team_id` null).", param=field)
    return name


def _checked_types(names: Sequence[str], team_id: str | None) -> list[str]:
    if not names:
        raise InvalidField("event_types: name at least one, or *.", param="event_types")
    return [EVERY if name == EVERY else checked_type(name, "event_types", team_id) for name in dict.fromkeys(names)]


def _secrets(session: Session, id: str, now: datetime) -> tuple[SigningSecret, ...]:
    row = WebhookSecretRecord
    in_force = row.ends_at.is_(None) | (row.ends_at > now)
    newest_first = (row.ends_at.is_not(None), row.ends_at.desc())
    found = session.execute(select(row.hint, row.ends_at).where(row.webhook_id == id, in_force).order_by(*newest_first))
    return tuple(SigningSecret(hint, ends_at) for hint, ends_at in found)


def _state(row: WebhookRecord) -> dict[str, Any]:
    """What of a webhook the audit log has: its address up to the path, which may be a secret."""
    return {
        "name": row.name,
        "host": row.url.partition("://")[2].partition("/")[0].partition("?")[0],
        "event_types": row.event_types,
        "enabled": row.disabled_at is None,
    }


def _shown(session: Session, row: WebhookRecord, now: datetime, secret: str | None = None) -> Webhook:
    return Webhook(
        row.id,
        row.team_id,
        row.name,
        row.url,
        tuple(row.event_types),
        row.disabled_at is None,
        row.disabled_for,
        row.disabled_at,
        row.failures,
        row.failing_since,
        row.created_at,
        _secrets(session, row.id, now),
        secret,
    )
