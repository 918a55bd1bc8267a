"""Inviting people by mail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict
from tollhouse.domain.ports import Mailer
from tollhouse.domain.rights import Right, Role
from tollhouse.services.audit import note
from tollhouse.services.memberships import role_named, set_role
from tollhouse.services.naming import check_email
from tollhouse.services.passwords import Passwords, check_new_password
from tollhouse.services.signed_links import SignedLinks, bad_link
from tollhouse.services.teams import no_team
from tollhouse.services.users import add_user
from tollhouse.store.database import Database
from tollhouse.store.records import LinkRecord, TeamRecord, UserRecord


@dataclass(frozen=True, slots=True)
class Invitation:
    """Sent, and not yet accepted. The link itself is in the mail alone."""

    id: str
    email: str
    role: Role
    team_id: str | None
    created_at: datetime
    expires_at: datetime


class Invitations:
    """A link gives a role, and makes the person whom it was sent to where there is none yet."""

    def __init__(self, database: Database, links: SignedLinks, passwords: Passwords, mailer: Mailer) -> None:
        self._database = database
        self._links = links
        self._passwords = passwords
        self._mailer = mailer

    def invite(self, email: str, role: Role, team_id: str | None = None, *, by: Actor = SYSTEM) -> Invitation:
        """Mail a link to somebody. It takes the place of one that they have for the same team."""
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
            same = LinkRecord.team_id.is_(None) if team_id is None else LinkRecord.team_id == team_id
            self._links.void(session, LinkRecord.email == email, same)
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
        return Invitation(row.id, email, role, team_id, row.created_at, row.expires_at)

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
            row = self._links.take(session, id)
            if not _still_stands(session, row):
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

    def open_for(self, session: Session, email: str) -> list[LinkRecord]:
        """Invitations to this address that are still good."""
        asked = select(LinkRecord).where(
            LinkRecord.kind == "invitation",
            LinkRecord.email == email,
            LinkRecord.used_at.is_(None),
            LinkRecord.expires_at > self._database.now(session),
        )
        return [row for row in session.scalars(asked) if _still_stands(session, row)]

    def accept_all(self, session: Session, user: UserRecord, address: str) -> None:
        """Accept all of them, for somebody new of whom another has shown that the address is theirs. In the caller's
        transaction.
        """
        by, now = Actor("person", user.id, Role.OWNER, address=address), self._database.now(session)
        for one in self.open_for(session, user.email):
            row = self._links.take(session, one.id)
            set_role(self._database, session, user.id, row.team_id, role_named(row.role or ""), by, now)


def _still_stands(session: Session, row: LinkRecord) -> bool:
    maker, team = session.get(UserRecord, row.made_by), row.team_id and session.get(TeamRecord, row.team_id)
    return not (maker is not None and maker.disabled_at is not None) and not (team and team.archived_at is not None)
