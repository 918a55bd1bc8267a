"""The audit log: who changed what, when, from where; written in the transaction of the change itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.store.database import Database
from tollhouse.store.records import AuditEntryRecord, UserRecord

State = Mapping[str, Any]
"""What a thing is, as people see it: no secret is in it, nor a hash of one."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. `before` and `after` have the fields that differ; `actor_email` is None for one who is no more."""

    id: str
    at: datetime
    actor_kind: str
    actor_id: str
    actor_email: str | None
    address: str
    action: str
    subject_id: str
    team_id: str | None
    before: State | None
    after: State | None


def note(
    session: Session,
    by: Actor,
    action: str,
    subject_id: str,
    *,
    at: datetime,
    team_id: str | None = None,
    before: State | None = None,
    after: State | None = None,
) -> None:
    """Write an entry in the transaction that makes the change; none where `before` and `after` say the same."""
    if before is not None and after is not None:
        same = {name for name in before.keys() & after.keys() if before[name] == after[name]}
        before = {name: value for name, value in before.items() if name not in same}
        after = {name: value for name, value in after.items() if name not in same}
        if not before and not after:
            return
    entry = AuditEntryRecord(
        id=new_id("aud"),
        at=at,
        actor_kind=by.kind,
        actor_id=by.id,
        address=by.address[:64],
        action=action,
        subject_id=subject_id,
        team_id=team_id,
        before=before,
        after=after,
    )
    session.add(entry)


class Audit:
    """Reads the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        limit: int,
        after: str | None = None,
        *,
        team_id: str | None = None,
        actor_id: str | None = None,
        subject_id: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        by: Actor,
    ) -> Page[AuditEntry]:
        """Entries, newest first, that they may see: those of their teams, or all. `action` may be its first part."""
        asked = select(AuditEntryRecord, UserRecord.email).outerjoin(
            UserRecord, UserRecord.id == AuditEntryRecord.actor_id
        )
        if not by.may(Right.VIEW_ALL_CHANGES):
            teams = by.teams_with(Right.VIEW_CHANGES) or frozenset()
            if not teams:
                by.require(Right.VIEW_ALL_CHANGES)
            asked = asked.where(AuditEntryRecord.team_id.in_(teams))
        for column, value in (
            (AuditEntryRecord.team_id, team_id),
            (AuditEntryRecord.actor_id, actor_id),
            (AuditEntryRecord.subject_id, subject_id),
        ):
            if value is not None:
                asked = asked.where(column == value)
        asked = _narrowed(asked, after, action, since, until)
        with self._database.read() as session:
            rows = session.execute(asked.order_by(AuditEntryRecord.id.desc()).limit(limit + 1)).all()
        return page_of([_shown(row, email) for row, email in rows], limit, lambda entry: entry.id)


def _narrowed(
    asked: Select[AuditEntryRecord, str],
    after: str | None,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Select[AuditEntryRecord, str]:
    if after is not None:
        asked = asked.where(AuditEntryRecord.id < after)
    if action is not None:
        below = AuditEntryRecord.action.startswith(f"{action}.", autoescape=True)
        asked = asked.where(or_(AuditEntryRecord.action == action, below))
    if since is not None:
        asked = asked.where(AuditEntryRecord.at >= since)
    if until is not None:
        asked = asked.where(AuditEntryRecord.at < until)
    return asked


def _shown(row: AuditEntryRecord, email: str | None) -> AuditEntry:
    return AuditEntry(
        row.id,
        row.at,
        row.actor_kind,
        row.actor_id,
        email,
        row.address,
        row.action,
        row.subject_id,
        row.team_id,
        row.before,
        row.after,
    )
