"""What is known of a person: told to them, and forgotten."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import NotFound
from tollhouse.domain.rights import Right, Role
from tollhouse.services.audit import note
from tollhouse.services.money.ended_scopes import end_scopes
from tollhouse.services.people.memberships import lock_roles, require_another_owner, roles_of
from tollhouse.services.people.sign_in import account_of
from tollhouse.services.privacy.forgetting import remember_to_forget
from tollhouse.services.reports.usage import UsageReport
from tollhouse.services.reports.usage_sums import UsageSums
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import (
    ApiKeyRecord,
    AuditEntryRecord,
    BatchRecord,
    FileRecord,
    IdempotencyRecord,
    IdentityRecord,
    LedgerRecord,
    LinkRecord,
    MembershipRecord,
    RefreshTokenRecord,
    ReportDeliveryRecord,
    ResponseRecord,
    ScheduleRecord,
    SignInAttemptRecord,
    UserRecord,
    WebhookRecord,
)

AT_ONCE = 1000
"""Rows that are read, or deleted, in one go."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """All that is known of somebody. No secret is in it, nor a hash of one. Of what they have made for their teams it
    names what there is; `end_users` are whom their own calls were made for.
    """

    profile: dict[str, Any]
    identities: Rows
    memberships: Rows
    keys: Rows
    sessions: Rows
    invitations: Rows
    files: Rows
    batches: Rows
    schedules: Rows
    responses: Rows
    webhooks: Rows
    end_users: list[str]
    usage: dict[str, Any]
    audit_entries: Rows


class PersonalDataOf:
    """Everybody may have their own; of others it takes the right to see, or to change, people."""

    def __init__(self, database: Database, usage: UsageReport) -> None:
        self._database = database
        self._usage = usage

    def export(self, id: str, *, by: Actor = SYSTEM) -> PersonalData:
        """Raises NotFound, Forbidden."""
        if by.id != id:
            by.require(Right.VIEW_PEOPLE)
        with self._database.write() as session:
            user = _find(session, id)
            note(session, by, "users.export", id, at=self._database.now(session))
        sums = self._usage.by("user").get(id) or UsageSums()
        with self._database.read() as session:
            accounts = [id, *session.scalars(select(ApiKeyRecord.id).where(ApiKeyRecord.user_id == id))]
            return PersonalData(
                profile={
                    "id": id,
                    "email": user.email,
                    "has_password": bool(user.password_hash),
                    "created_at": _plain(user.created_at),
                    "disabled_at": _plain(user.disabled_at),
                },
                identities=_rows(
                    session, IdentityRecord, IdentityRecord.user_id == id,
                    "issuer", "subject", "created_at",
                ),
                memberships=_rows(
                    session, MembershipRecord, MembershipRecord.user_id == id,
                    "team_id", "role", "from_issuer", "created_at",
                ),
                keys=_rows(
                    session, ApiKeyRecord, ApiKeyRecord.user_id == id,
                    "id", "name", "hint", "team_id", "models", "paths", "networks", "tags",
                    "created_at", "expires_at", "revoked_at",
                ),
                sessions=_rows(
                    session, RefreshTokenRecord, RefreshTokenRecord.user_id == id,
                    "id", "created_at", "renewed_at", "expires_at", "ended_at", "ended_by",
                ),
                invitations=_rows(
                    session, LinkRecord, _links_of(user),
                    "id", "kind", "email", "team_id", "role", "created_at", "expires_at", "used_at",
                ),
                files=_rows(
                    session, FileRecord, FileRecord.key_id.in_(accounts),
                    "id", "team_id", "filename", "purpose", "size", "created_at", "expires_at",
                ),
                batches=_rows(
                    session, BatchRecord, BatchRecord.key_id.in_(accounts),
                    "id", "team_id", "status", "input_file_id", "created_at", "ended_at",
                ),
                schedules=_rows(
                    session, ScheduleRecord, ScheduleRecord.key_id.in_(accounts),
                    "id", "team_id", "name", "kind", "work", "cron", "timezone", "created_at",
                ),
                responses=_rows(
                    session, ResponseRecord, ResponseRecord.key_id.in_(accounts),
                    "id", "team_id", "conversation_id", "status", "created_at",
                ),
                webhooks=_rows(
                    session, WebhookRecord, WebhookRecord.user_id == id,
                    "id", "team_id", "name", "created_at",
                ),
                end_users=_end_users(session, accounts),
                usage=sums.shown(),
                audit_entries=[*_audit(session, id)],
            )  # fmt: skip

    def delete(self, id: str, *, by: Actor = SYSTEM) -> None:
        """Forget somebody. Their keys and sessions end within a second, and with them what was set on them: budgets are
        retired, limits and schedules are gone. What they used stays, under an id that nobody has any more; so do
        the entries of the audit log. What a team has made with them stays the team's. `Forgetting` does the rest of it
        in a while.

        Raises NotFound, Forbidden, and Conflict for the organisation's last owner.
        """
        if by.id != id:
            by.require(Right.CHANGE_PEOPLE)
        with self._database.write() as session:
            lock_roles(self._database, session)
            user = session.get(UserRecord, id, with_for_update=True)
            if user is None:
                raise _nobody(id)
            if roles_of(session, [id])[id].organisation is Role.OWNER:
                if by.id != id:
                    by.require_to_grant(Role.OWNER, None)
                require_another_owner(session, id)
            now = self._database.now(session)
            announce(session)  # before budgets are locked, as whoever changes those does
            _end_keys(session, id, now)
            self._end_money(session, id, by, now)
            _end_mail(session, user.email)
            remember_to_forget(session, user, now)
            own_keys = select(ApiKeyRecord.id).where(ApiKeyRecord.user_id == id)
            accounts = [account_of(user.email), account_of(f"reset {user.email}")]
            for record, whose in (
                (MembershipRecord, MembershipRecord.user_id == id),
                (IdentityRecord, IdentityRecord.user_id == id),
                (RefreshTokenRecord, RefreshTokenRecord.user_id == id),
                (LinkRecord, or_(_links_of(user), LinkRecord.made_by == id)),
                (IdempotencyRecord, or_(IdempotencyRecord.owner_id == id, IdempotencyRecord.owner_id.in_(own_keys))),
                (ScheduleRecord, or_(ScheduleRecord.key_id == id, ScheduleRecord.key_id.in_(own_keys))),
                (SignInAttemptRecord, SignInAttemptRecord.account.in_(accounts)),
                (ReportDeliveryRecord, ReportDeliveryRecord.user_id == id),
                (UserRecord, UserRecord.id == id),
            ):
                session.execute(delete(record).where(whose), execution_options={"synchronize_session": False})
            note(session, by, "users.delete", id, at=now)

    def _end_money(self, session: Session, id: str, by: Actor, at: datetime) -> None:
        """Budgets and limits of somebody who calls no more, and of keys that were theirs, are over as well."""
        own_keys = session.scalars(select(ApiKeyRecord.id).where(ApiKeyRecord.user_id == id))
        end_scopes(self._database, session, [("user", id), *(("key", key) for key in own_keys)], by, at)


def _end_mail(session: Session, email: str) -> None:
    """Reports that others have sent to them go to whoever else gets them."""
    planned = session.scalars(select(ScheduleRecord).where(ScheduleRecord.kind == "report"))
    waiting = session.scalars(select(ReportDeliveryRecord).where(ReportDeliveryRecord.ended_at.is_(None)))
    for row in (*planned, *waiting):
        named = row.work.get("emails") or ()
        if email in named:
            row.work = {**row.work, "emails": [one for one in named if one != email]}
    session.flush()


def _end_keys(session: Session, id: str, at: datetime) -> None:
    """Keys that were the person's own are over, and lose the names that they chose."""
    session.execute(
        update(ApiKeyRecord)
        .where(ApiKeyRecord.user_id == id)
        .values(
            name="(deleted)",
            tags=None,
            networks=None,
            previous_digest=None,
            previous_until=None,
            revoked_at=func.coalesce(ApiKeyRecord.revoked_at, at),
        ),
        execution_options={"synchronize_session": False},
    )


def _links_of(user: UserRecord) -> ColumnElement[bool]:
    return or_(LinkRecord.user_id == user.id, LinkRecord.email == user.email)


def _find(session: Session, id: str) -> UserRecord:
    row = session.get(UserRecord, id)
    if row is None:
        raise _nobody(id)
    return row


def _nobody(id: str) -> NotFound:
    return NotFound(f"There is no user {id[:60]!r}.", param="id")


def _rows(session: Session, record: Any, whose: ColumnElement[bool], *names: str) -> Rows:
    asked = select(*(getattr(record, name) for name in names)).where(whose).order_by(record.id)
    return [{name: _plain(value) for name, value in row._mapping.items()} for row in session.execute(asked)]


def _end_users(session: Session, accounts: Sequence[str]) -> list[str]:
    """The first of them: there may be as many as calls."""
    asked = select(LedgerRecord.end_user).where(LedgerRecord.key_id.in_(accounts), LedgerRecord.end_user.is_not(None))
    found = session.scalars(asked.distinct().order_by(LedgerRecord.end_user).limit(AT_ONCE))
    return [one for one in found if one is not None]


def _audit(session: Session, id: str) -> Iterator[dict[str, Any]]:
    """What they did, and what was done to them; oldest first, read in pieces."""
    names = ("id", "at", "actor_kind", "actor_id", "address", "action", "subject_id", "team_id", "before", "after")
    columns = [getattr(AuditEntryRecord, name) for name in names]
    last = ""
    while True:
        asked = (
            select(*columns)
            .where(or_(AuditEntryRecord.actor_id == id, AuditEntryRecord.subject_id == id), AuditEntryRecord.id > last)
            .order_by(AuditEntryRecord.id)
            .limit(AT_ONCE)
        )
        rows = session.execute(asked).all()
        for row in rows:
            yield {name: _plain(value) for name, value in row._mapping.items()}
        if len(rows) < AT_ONCE:
            return
        last = rows[-1].id


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
