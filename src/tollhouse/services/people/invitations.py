"""Inviting people by mail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SHELL, SYSTEM, Actor
from tollhouse.domain.errors import BadRequest, Conflict, NotFound
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.ports import Mailer
from tollhouse.domain.rights import RIGHTS, Right, Role
from tollhouse.services.audit import note
from tollhouse.services.naming import check_email
from tollhouse.services.people.invitation_throttle import refuse_too_many
from tollhouse.services.people.memberships import lock_roles, role_named, set_role
from tollhouse.services.people.passwords import Passwords, check_new_password
from tollhouse.services.people.signed_links import SignedLinks, bad_link
from tollhouse.services.people.teams import no_team
from tollhouse.services.people.users import add_user
from tollhouse.store.database import Database
from tollhouse.store.records import LinkRecord, MembershipRecord, TeamRecord, UserRecord


@dataclass(frozen=True, slots=True)
class Invitation:
    """Sent, and not yet accepted. The link itself is in the mail alone. `invited_by` is a person's id, or "shell"."""

    id: str
    email: str
    role: Role
    team_id: str | None
    invited_by: str
    created_at: datetime
    expires_at: datetime


class Invitations:
    """A link gives a role, and makes the person whom it was sent to where there is none yet."""

    def __init__(
        self, database: Database, links: SignedLinks, passwords: Passwords, mailer: Mailer, *, per_hour: int = 100
    ) -> None:
        """`per_hour` is how many one person may send."""
        self._database = database
        self._per_hour = per_hour
        self._links = links
        self._passwords = passwords
        self._mailer = mailer

    def invite(self, email: str, role: Role, team_id: str | None = None, *, by: Actor = SYSTEM) -> Invitation:
        """Mail a link to somebody. It takes the place of one that they have for the same team.

        Raises InvalidField, NotFound, Forbidden, Conflict, TooManyAttempts.
        """
        if team_id is None:
            by.require(Right.CHANGE_PEOPLE)
        else:
            by.require_in(team_id, Right.CHANGE_MEMBERS, no_team(team_id))
        by.require_to_grant(role, team_id)
        email = check_email(email)
        with self._database.write() as session:
            team = None if team_id is None else session.get(TeamRecord, team_id)
            if team_id is not None and team is None:
                raise no_team(team_id)
            if team is not None and team.archived_at is not None:
                raise Conflict(f"The team {team.name!r} is archived.", param="team_id")
            now = self._database.now(session)
            refuse_too_many(self._database, session, by, email, now, per_hour=self._per_hour)
            same = (
                LinkRecord.email == email,
                LinkRecord.team_id.is_(None) if team_id is None else LinkRecord.team_id == team_id,
            )
            for other in session.scalars(select(LinkRecord).where(*same, _is_open(now))):
                by.require_to_grant(role_named(other.role or ""), team_id)  # as for one who withdraws it
            self._links.void(session, *same)
            row, address = self._links.make(
                session, {"email": email, "team_id": team_id, "role": role.value, "made_by": by.id}
            )
            note(
                session,
                by,
                "users.invite",
                row.id,
                at=row.created_at,
                team_id=team_id,
                after={"role": role},
            )
        where = "this gateway" if team is None else f"the team {team.name}"
        self._mailer.send(
            email,
            "Your invitation to Tollhouse",
            f"You are invited to {where}, as {role}. To accept, open this link by {row.expires_at:%d %B %Y, %H:%M} "
            f"UTC; it can be used once:\n\n{address}\n",
        )
        return _shown(row)

    def page(
        self, limit: int, after: str | None = None, *, team_id: str | None = None, by: Actor = SYSTEM
    ) -> Page[Invitation]:
        """Those that can be accepted as it is, oldest first, where they may invite: in this team, or anywhere."""
        if team_id is not None:
            by.require_in(team_id, Right.CHANGE_MEMBERS, no_team(team_id))
            asked = select(LinkRecord).where(LinkRecord.team_id == team_id)
        else:
            asked = select(LinkRecord)
            if (teams := by.teams_with(Right.CHANGE_MEMBERS)) is not None:
                if not teams:
                    by.require(Right.CHANGE_MEMBERS)
                asked = asked.where(LinkRecord.team_id.in_(teams))
            if not by.may(Right.CHANGE_PEOPLE):
                asked = asked.where(LinkRecord.team_id.is_not(None))
        if after is not None:
            asked = asked.where(LinkRecord.id > after)
        with self._database.read() as session:
            asked = asked.where(_is_open(self._database.now(session)))
            rows = list(session.scalars(asked.order_by(LinkRecord.id).limit(limit + 1)))
        return page_of([_shown(row) for row in rows], limit, lambda invitation: invitation.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> Invitation:
        """Raises NotFound also for one that was accepted, withdrawn or has expired."""
        with self._database.read() as session:
            return _shown(self._found(session, id, by))

    def withdraw(self, id: str, *, by: Actor = SYSTEM) -> None:
        """Its link is good for nothing from now on. Raises NotFound, Forbidden."""
        with self._database.write() as session:
            row = self._found(session, id, by)
            role = role_named(row.role or "")
            by.require_to_grant(role, row.team_id)
            try:
                self._links.take(session, id)
            except BadRequest:  # it was accepted just now
                raise _no_invitation(id) from None
            now = self._database.now(session)
            note(session, by, "users.uninvite", id, at=now, team_id=row.team_id, before={"role": role})

    def accept(self, token: str, password: str, address: str) -> str:
        """Use a link: the e-mail address of who is in now. The password is that of a new person; of one who is here
        already it stays as it is.

        Raises BadRequest where the link is not good any more, InvalidField.
        """
        id = self._links.peek(token)
        with self._database.read() as session:
            link = session.get(LinkRecord, id)
            if link is None:
                raise bad_link()
        digest = self._passwords.hash(check_new_password(password, link.email))
        with self._database.write() as session:
            lock_roles(self._database, session)
            row = self._links.take(session, id)
            if session.scalar(select(LinkRecord.id).where(LinkRecord.id == id, _stands())) is None:
                raise bad_link()
            user = session.scalar(select(UserRecord).where(UserRecord.email == row.email))
            # What they may do here was settled when they were invited.
            by = Actor("person", user.id if user else row.id, Role.OWNER, address=address)
            role = role_named(row.role or "")
            if user is None:
                add_user(self._database, session, row.email, digest, role, row.team_id, by)
            else:
                set_role(self._database, session, user.id, row.team_id, role, by, self._database.now(session))
            return row.email

    def _found(self, session: Session, id: str, by: Actor) -> LinkRecord:
        """An open invitation to where they may invite."""
        row = session.scalar(select(LinkRecord).where(LinkRecord.id == id, _is_open(self._database.now(session))))
        if row is None:
            raise _no_invitation(id)
        right = Right.CHANGE_PEOPLE if row.team_id is None else Right.CHANGE_MEMBERS
        by.require_in(row.team_id, right, _no_invitation(id))
        return row

    def open_for(self, session: Session, email: str) -> list[LinkRecord]:
        """Invitations to this address that are still good."""
        asked = select(LinkRecord).where(LinkRecord.email == email, _is_open(self._database.now(session)))
        return list(session.scalars(asked))

    def accept_all(self, session: Session, user: UserRecord, address: str) -> None:
        """Accept all of them, for somebody new of whom another has shown that the address is theirs. In the caller's
        transaction.
        """
        by, now = Actor("person", user.id, Role.OWNER, address=address), self._database.now(session)
        for one in self.open_for(session, user.email):
            row = self._links.take(session, one.id)
            set_role(self._database, session, user.id, row.team_id, role_named(row.role or ""), by, now)


def _is_open(now: datetime) -> ColumnElement[bool]:
    return and_(LinkRecord.kind == "invitation", LinkRecord.used_at.is_(None), LinkRecord.expires_at > now, _stands())


def _stands() -> ColumnElement[bool]:
    """That its team is in use, and that whoever sent it could send it now as well: else somebody who is shown the door
    could come in again by a link that they had sent to themselves.
    """
    rules = [role.value for role in RIGHTS[Right.CHANGE_MEMBERS]]
    may_invite = exists(
        select(MembershipRecord.id)
        .join(UserRecord, UserRecord.id == MembershipRecord.user_id)
        .where(
            MembershipRecord.user_id == LinkRecord.made_by,
            UserRecord.disabled_at.is_(None),
            or_(MembershipRecord.team_id.is_(None), MembershipRecord.team_id == LinkRecord.team_id),
            MembershipRecord.role.in_(rules),
            or_(MembershipRecord.role == Role.OWNER.value, LinkRecord.role != Role.OWNER.value),
        )
        .correlate(LinkRecord)
    )
    archived = exists(
        select(TeamRecord.id)
        .where(TeamRecord.id == LinkRecord.team_id, TeamRecord.archived_at.is_not(None))
        .correlate(LinkRecord)
    )
    return and_(or_(LinkRecord.made_by.in_((SHELL.id, SYSTEM.id)), may_invite), ~archived)


def _no_invitation(id: str) -> NotFound:
    return NotFound(f"There is no open invitation {id[:60]!r}.", param="id")


def _shown(row: LinkRecord) -> Invitation:
    role = role_named(row.role or "")
    return Invitation(row.id, row.email, role, row.team_id, row.made_by, row.created_at, row.expires_at)
