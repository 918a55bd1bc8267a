"""API keys: made, listed, changed, revoked, rotated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.keys.events import key_event
from tollhouse.services.keys.mint import KeyMint
from tollhouse.services.keys.terms import checked_priority, checked_terms
from tollhouse.services.naming import check_name
from tollhouse.services.outbox import NOBODY, Tells
from tollhouse.services.people.calling_team import caller_for
from tollhouse.services.people.teams import no_team
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import ApiKeyRecord, LedgerRecord, TeamRecord

LONGEST_OVERLAP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it can be shown. `key` itself is there once: when it is made or rotated.

    None of models, paths or networks means all. After a rotation with an overlap the one before is good until
    `previous_until`. `last_used_at` is when a call with it was last booked; only lists and `get` look for it.
    """

    id: str
    name: str
    hint: str
    models: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    key: str | None = None
    team_id: str = DEFAULT_TEAM
    user_id: str | None = None
    paths: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    previous_until: datetime | None = None
    last_used_at: datetime | None = None
    priority: str = "interactive"


Unchanged = Callable[[ApiKey], None]
"""Given what a key is, inside the transaction that changes it; raises Changed where that is not what was seen."""


class Keys:
    """Every change is effective in all processes within a second."""

    def __init__(self, database: Database, mint: KeyMint, outbox: Tells = NOBODY) -> None:
        self._database = database
        self._mint = mint
        self._outbox = outbox

    def create(
        self,
        name: str,
        *,
        models: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        team_id: str = DEFAULT_TEAM,
        user_id: str | None = None,
        paths: Sequence[str] | None = None,
        networks: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        priority: str | None = None,
        by: Actor = SYSTEM,
    ) -> ApiKey:
        """A new key of the team, or of one person in it. An empty list of models, paths or networks means all."""
        _require_change(by, team_id, user_id, no_team(team_id))
        name = check_name(name, "name")
        given = {"models": models, "paths": paths, "networks": networks, "tags": tags}
        minted = self._mint.mint()
        with self._database.write() as session:
            now = self._database.now(session)
            _check_owner(session, team_id, user_id, by)
            _check_expiry(expires_at, now)
            row = ApiKeyRecord(
                id=new_id("key"),
                name=name,
                digest=minted.digest,
                hint=minted.hint,
                created_at=now,
                expires_at=expires_at,
                team_id=team_id,
                user_id=user_id,
                priority=checked_priority(priority),
                **checked_terms(session, given),
            )
            session.add(row)
            note(session, by, "keys.create", row.id, at=now, team_id=team_id, after=_state(row))
            self._outbox.add(session, key_event("key.created", row))
            announce(session)
        return _shown(row, minted.key)

    def all(self) -> list[ApiKey]:
        """All keys, oldest first, the revoked ones too; for the shell."""
        with self._database.read() as session:
            return [_shown(row) for row in session.scalars(select(ApiKeyRecord).order_by(ApiKeyRecord.id))]

    def page(
        self,
        limit: int,
        after: str | None = None,
        *,
        team_id: str | None = None,
        user_id: str | None = None,
        by: Actor = SYSTEM,
    ) -> Page[ApiKey]:
        """Keys of the teams that they see, oldest first, those that have ended too."""
        asked = select(ApiKeyRecord).order_by(ApiKeyRecord.id).limit(limit + 1)
        if team_id is not None:
            by.require_in(team_id, Right.VIEW_KEYS, no_team(team_id))
            asked = asked.where(ApiKeyRecord.team_id == team_id)
        elif (seen := by.teams_with(Right.VIEW_KEYS)) is not None:
            if not seen:
                by.require(Right.VIEW_KEYS)
            asked = asked.where(ApiKeyRecord.team_id.in_(seen))
        if user_id is not None:
            asked = asked.where(ApiKeyRecord.user_id == user_id)
        if after is not None:
            asked = asked.where(ApiKeyRecord.id > after)
        with self._database.read() as session:
            rows = list(session.scalars(asked))
            used = {row.id: session.scalar(_last_used(row.id)) for row in rows}
        return page_of([_shown(row, last_used_at=used[row.id]) for row in rows], limit, lambda key: key.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> ApiKey:
        with self._database.read() as session:
            row = _find(session, id, by)
            by.require(Right.VIEW_KEYS, row.team_id)
            return _shown(row, last_used_at=session.scalar(_last_used(id)))

    def change(
        self, id: str, changes: Mapping[str, Any], *, by: Actor = SYSTEM, unless_changed: Unchanged | None = None
    ) -> ApiKey:
        """Set what `changes` has of name, models, paths, networks, tags, priority, expires_at; None there means all, or
        never, or the usual priority.
        """
        with self._database.write() as session:
            row = self._found(session, id, by, unless_changed)
            now, before = self._database.now(session), _state(row)
            if row.revoked_at:
                raise _revoked(id)
            if "name" in changes:
                row.name = check_name(changes["name"], "name")
            if "expires_at" in changes:
                _check_expiry(changes["expires_at"], now)
                row.expires_at = changes["expires_at"]
            if "priority" in changes:
                row.priority = checked_priority(changes["priority"])
            for field, value in checked_terms(session, changes).items():
                setattr(row, field, value)
            note(session, by, "keys.change", id, at=now, team_id=row.team_id, before=before, after=_state(row))
            announce(session)
        return _shown(row)

    def revoke(self, id: str, *, by: Actor = SYSTEM, unless_changed: Unchanged | None = None) -> ApiKey:
        """End a key; again is no error."""
        with self._database.write() as session:
            row = self._found(session, id, by, unless_changed)
            if row.revoked_at is None:
                row.revoked_at = self._database.now(session)
                row.previous_digest = row.previous_until = None
                note(session, by, "keys.revoke", id, at=row.revoked_at, team_id=row.team_id)
                self._outbox.add(session, key_event("key.revoked", row))
            announce(session)
        return _shown(row)

    def rotate(
        self,
        id: str,
        *,
        overlap: timedelta = timedelta(0),
        by: Actor = SYSTEM,
        unless_changed: Unchanged | None = None,
    ) -> ApiKey:
        """Give the key a new secret under the same id, budgets and history. The one before is good for the overlap;
        one before that ends now.
        """
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise InvalidField(f"overlap: it may be {LONGEST_OVERLAP.days} days at most.", param="overlap")
        minted = self._mint.mint()
        with self._database.write() as session:
            row = self._found(session, id, by, unless_changed)
            if row.revoked_at:
                raise _revoked(id)
            now = self._database.now(session)
            row.previous_digest, row.previous_until = (row.digest, now + overlap) if overlap else (None, None)
            row.digest, row.hint = minted.digest, minted.hint
            note(
                session,
                by,
                "keys.rotate",
                id,
                at=now,
                team_id=row.team_id,
                after={"overlap_seconds": int(overlap.total_seconds())},
            )
            self._outbox.add(session, key_event("key.rotated", row))
            announce(session)
        return _shown(row, minted.key)

    def _found(self, session: Session, id: str, by: Actor, unless_changed: Unchanged | None) -> ApiKeyRecord:
        """The key, which they may change, and which is as they saw it: locked, so that it stays so."""
        row = _find(session, id, by, lock=True)
        _require_change(by, row.team_id, row.user_id, _no_key(id))
        if unless_changed is not None:
            unless_changed(_shown(row))
        return row


def _require_change(by: Actor, team_id: str, user_id: str | None, missing: NotFound) -> None:
    own = user_id is not None and user_id == by.id
    by.require_in(team_id, Right.OWN_KEYS if own else Right.CHANGE_KEYS, missing)


def _check_owner(session: Session, team_id: str, user_id: str | None, by: Actor) -> None:
    """That there is such a team, and such a person in it. A key is booked on its person, in every budget of theirs: so
    for somebody with a role in the organisation alone, it takes who rules there.
    """
    team = session.get(TeamRecord, team_id)
    if team is None:
        raise no_team(team_id)
    if team.archived_at is not None:
        raise Conflict(f"The team {team.name!r} is archived.", param="team_id")
    if user_id is None:
        return
    person = caller_for(session, user_id, team_id)
    if person is None or not (team_id in person.teams or user_id == by.id or by.may(Right.VIEW_PEOPLE)):
        raise InvalidField(
            f"user_id: there is nobody {user_id[:60]!r} in this team who may call models.", param="user_id"
        )


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise InvalidField("expires: the moment is past.", param="expires_at")


def _find(session: Session, id: str, by: Actor, *, lock: bool = False) -> ApiKeyRecord:
    row = session.get(ApiKeyRecord, id, with_for_update=lock or None)
    if row is None or not by.sees(row.team_id):
        raise _no_key(id)
    return row


def _no_key(id: str) -> NotFound:
    return NotFound(f"There is no key {id[:60]!r}; `tollhouse keys list` shows them.", param="id")


def _revoked(id: str) -> Conflict:
    return Conflict(f"The key {id} is revoked, and stays so: make another with `tollhouse keys create`.")


def _last_used(id: str) -> Select[datetime | None]:
    return select(func.max(LedgerRecord.booked_at)).where(LedgerRecord.key_id == id)


def _state(row: ApiKeyRecord) -> dict[str, Any]:
    """What of a key the audit log has."""
    return {
        "name": row.name,
        "models": row.models,
        "paths": row.paths,
        "networks": row.networks,
        "tags": row.tags or [],
        "priority": row.priority,
        "expires_at": row.expires_at and row.expires_at.isoformat(),
        "user_id": row.user_id,
    }


def _shown(row: ApiKeyRecord, key: str | None = None, last_used_at: datetime | None = None) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        hint=row.hint,
        models=None if row.models is None else tuple(row.models),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        key=key,
        team_id=row.team_id,
        user_id=row.user_id,
        paths=None if row.paths is None else tuple(row.paths),
        networks=None if row.networks is None else tuple(row.networks),
        tags=tuple(row.tags or ()),
        previous_until=row.previous_until,
        last_used_at=last_used_at,
        priority=row.priority,
    )
