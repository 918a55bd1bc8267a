"""Limits: how much a scope may have a minute, and how many open calls at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.limits import Limit as LimitTerms
from tollhouse.domain.page import Page, every, page_of
from tollhouse.domain.principal import Scope
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.money.scopes import EVERYTHING, Filter, owned_scope, owning_team, team_of, visible
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import LimitRecord

SCOPE_KINDS = ("key", "user", "team", "model", "organisation")
KINDS = ("rpm", "tpm", "concurrency")
MOST = 10**12

_TEAM = owning_team(LimitRecord.scope_kind, LimitRecord.scope_id)


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it can be shown. `team_id` is whose its scope is, None for the organisation."""

    id: str
    scope: Scope
    team_id: str | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    created_at: datetime


class Limits:
    """One limit for each scope, of up to three kinds; what is changed applies within a second, everywhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, scope: Scope, changes: Mapping[str, int | None], *, by: Actor = SYSTEM) -> Limit:
        """Make the scope's limit, or change what `changes` names of it: `rpm`, `tpm`, `concurrency`; None lifts one.

        What was taken of it so far still counts.
        """
        _check(changes)
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            scope, team_id = owned_scope(session, scope, by, SCOPE_KINDS)
            row = _on(session, scope)
            if row is None:
                return self._make(session, scope, team_id, changes, by)
            return self._change(session, row, team_id, changes, by)

    def create(self, scope: Scope, most: Mapping[str, int | None], *, by: Actor = SYSTEM) -> Limit:
        """A limit on a scope that has none. Raises Conflict where it has one."""
        _check(most)
        with self._database.write() as session:
            announce(session)
            scope, team_id = owned_scope(session, scope, by, SCOPE_KINDS)
            if (there := _on(session, scope)) is not None:
                raise Conflict(f"There is the limit {there.id} on this scope already: change that.", param="scope_id")
            return self._make(session, scope, team_id, most, by)

    def change(
        self,
        id: str,
        changes: Mapping[str, int | None],
        *,
        by: Actor = SYSTEM,
        unless_changed: Callable[[Limit], None] | None = None,
    ) -> Limit:
        """As `set`, of the limit with this id."""
        _check(changes)
        with self._database.write() as session:
            announce(session)
            row, team_id = _found(session, id, by, Right.CHANGE_MONEY)
            if unless_changed is not None:
                unless_changed(_shown(row, team_id))
            return self._change(session, row, team_id, changes, by)

    def all(self) -> list[Limit]:
        """All limits, oldest first; for the shell."""
        return [*every(self.page)]

    def page(
        self, limit: int, after: str | None = None, *, wanted: Filter = EVERYTHING, by: Actor = SYSTEM
    ) -> Page[Limit]:
        """Limits of what they see, oldest first."""
        asked = select(LimitRecord, _TEAM).order_by(LimitRecord.id).limit(limit + 1)
        if after is not None:
            asked = asked.where(LimitRecord.id > after)
        with self._database.read() as session:
            rows = session.execute(visible(asked, LimitRecord, wanted, by))
            shown = [_shown(row, team_id) for row, team_id in rows]
        return page_of(shown, limit, lambda one: one.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> Limit:
        with self._database.read() as session:
            return _shown(*_found(session, id, by, Right.VIEW_MONEY))

    def remove(self, id: str, *, by: Actor = SYSTEM, unless_changed: Callable[[Limit], None] | None = None) -> None:
        with self._database.write() as session:
            announce(session)
            row, team_id = _found(session, id, by, Right.CHANGE_MONEY)
            if unless_changed is not None:
                unless_changed(_shown(row, team_id))
            now = self._database.now(session)
            note(session, by, "limits.remove", id, at=now, team_id=team_id, before=state_of(row))
            session.delete(row)

    def _make(
        self, session: Session, scope: Scope, team_id: str | None, most: Mapping[str, int | None], by: Actor
    ) -> Limit:
        row = LimitRecord(
            id=new_id("lim"),
            scope_kind=scope[0],
            scope_id=scope[1],
            team_id=team_id,
            created_at=self._database.now(session),
        )
        _put(row, most)
        session.add(row)
        note(session, by, "limits.create", row.id, at=row.created_at, team_id=team_id, after=state_of(row))
        return _shown(row, team_id)

    def _change(
        self, session: Session, row: LimitRecord, team_id: str | None, changes: Mapping[str, int | None], by: Actor
    ) -> Limit:
        before = state_of(row)
        _put(row, changes)
        now = self._database.now(session)
        note(session, by, "limits.change", row.id, at=now, team_id=team_id, before=before, after=state_of(row))
        return _shown(row, team_id)


def limit_of(row: LimitRecord) -> LimitTerms:
    """The row as calls are held to it."""
    return LimitTerms(row.id, (row.scope_kind, row.scope_id), row.rpm, row.tpm, row.concurrency)


def _put(row: LimitRecord, changes: Mapping[str, int | None]) -> None:
    wanted = {kind: getattr(row, kind) for kind in KINDS} | dict(changes)
    if not any(most is not None for most in wanted.values()):
        raise InvalidField(
            "Nothing would be limited: give at least one of rpm, tpm and concurrency, or remove the limit.",
            param="rpm",
        )
    row.rpm, row.tpm, row.concurrency = (wanted[kind] for kind in KINDS)


def _on(session: Session, scope: Scope) -> LimitRecord | None:
    return session.scalar(
        select(LimitRecord).where(LimitRecord.scope_kind == scope[0], LimitRecord.scope_id == scope[1])
    )


def _found(session: Session, id: str, by: Actor, right: Right) -> tuple[LimitRecord, str | None]:
    """The limit, and the team whose it is. What they do not see is not there."""
    missing = NotFound(f"There is no limit {id[:60]!r}; `tollhouse limits list` shows them.", param="id")
    row = session.get(LimitRecord, id)
    if row is None:
        raise missing
    team_id = team_of(session, (row.scope_kind, row.scope_id))
    by.require_in(team_id, right, missing)
    return row, team_id


def _check(changes: Mapping[str, int | None]) -> None:
    for kind, most in changes.items():
        if kind not in KINDS:
            raise InvalidField(f"{kind}: it must be one of {', '.join(KINDS)}.", param=kind)
        if most is not None and not 1 <= most <= MOST:
            raise InvalidField(f"{kind}: it must be a whole number from 1 to {MOST}, or nothing.", param=kind)


def state_of(row: LimitRecord) -> dict[str, Any]:
    return {"scope": row.scope_kind, "scope_id": row.scope_id, **{kind: getattr(row, kind) for kind in KINDS}}


def _shown(row: LimitRecord, team_id: str | None) -> Limit:
    scope = (row.scope_kind, row.scope_id)
    return Limit(row.id, scope, team_id, row.rpm, row.tpm, row.concurrency, row.created_at)
