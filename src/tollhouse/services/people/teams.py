"""Teams, and who is in them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.domain.rights import Right, Role
from tollhouse.services.audit import note
from tollhouse.services.naming import check_name
from tollhouse.services.payloads import MOST_DAYS
from tollhouse.services.people.memberships import lock_roles, set_role
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import MembershipRecord, TeamRecord, UserRecord

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Team:
    """Once archived, nobody works in it, its keys have ended, and its history stays."""

    id: str
    name: str
    created_at: datetime
    archived_at: datetime | None
    payload_days: int | None
    """How long what is asked and answered is kept; None where it is not."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody with a role in a team."""

    user_id: str
    email: str
    role: Role
    since: datetime


class Teams:
    """A team that somebody has no role in does not exist for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, *, by: Actor = SYSTEM) -> Team:
        """A new team, without members. Raises Conflict where there is one of this name."""
        by.require(Right.CHANGE_TEAMS)
        name = check_name(name, "name", LONGEST_NAME)
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            _check_free(session, name, None)
            now = self._database.now(session)
            row = TeamRecord(id=new_id("team"), name=name, created_at=now, archived_at=None, payload_days=None)
            session.add(row)
            note(session, by, "teams.create", row.id, at=now, team_id=row.id, after=_state(row))
        return _shown(row)

    def page(self, limit: int, after: str | None = None, *, by: Actor = SYSTEM) -> Page[Team]:
        """Teams in the order of their ids, archived ones too."""
        asked = select(TeamRecord).order_by(TeamRecord.id).limit(limit + 1)
        if (seen := by.teams_with(Right.VIEW_TEAM)) is not None:
            asked = asked.where(TeamRecord.id.in_(seen))
        if after is not None:
            asked = asked.where(TeamRecord.id > after)
        with self._database.read() as session:
            rows = list(session.scalars(asked))
        return page_of([_shown(row) for row in rows], limit, lambda team: team.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> Team:
        by.require_in(id, Right.VIEW_TEAM, no_team(id))
        with self._database.read() as session:
            return _shown(_find(session, id))

    def named(self, name: str) -> Team:
        """By id or name, for the shell."""
        with self._database.read() as session:
            row = session.get(TeamRecord, name) or session.scalar(select(TeamRecord).where(TeamRecord.name == name))
        if row is None:
            raise NotFound(f"There is no team {name!r}; `tollhouse teams list` shows them.", param="team")
        return _shown(row)

    def change(
        self,
        id: str,
        *,
        name: str | None = None,
        archived: bool | None = None,
        payload_days: int | None = None,
        by: Actor = SYSTEM,
        unless_changed: Callable[[Team], None] | None = None,
    ) -> Team:
        """Give it another name, archive it, or take that back. `payload_days` is how long what is asked and
        answered is kept, 0 for not at all, which also deletes what was. None leaves what is.
        """
        # Whoever may change all teams may change this, too; whoever rules one may change nothing else of it.
        of_payloads_alone = payload_days is not None and name is None and archived is None
        by.require_in(id, Right.CHANGE_PAYLOADS if of_payloads_alone else Right.CHANGE_TEAMS, no_team(id))
        if payload_days is not None and not 0 <= payload_days <= MOST_DAYS:
            raise InvalidField(f"payload_days: it must be from 0 to {MOST_DAYS}.", param="payload_days")
        if name is not None:
            name = check_name(name, "name", LONGEST_NAME)
        if archived and id == DEFAULT_TEAM:
            raise Conflict("The default team stays: what is made without a team belongs to it.", param="archived")
        with self._database.write() as session:
            announce(session)
            row = _find(session, id)
            if unless_changed is not None:
                unless_changed(_shown(row))
            now, before = self._database.now(session), _state(row)
            if name is not None and name != row.name:
                _check_free(session, name, id)
                row.name = name
            if archived is not None:
                row.archived_at = (row.archived_at or now) if archived else None
            if payload_days is not None:
                row.payload_days = payload_days or None
            note(session, by, "teams.change", id, at=now, team_id=id, before=before, after=_state(row))
        return _shown(row)

    def members(self, id: str, limit: int, after: str | None = None, *, by: Actor = SYSTEM) -> Page[Member]:
        """Who has a role in this team, in the order of their ids. Roles in the organisation are not listed."""
        by.require_in(id, Right.VIEW_MEMBERS, no_team(id))
        asked = (
            select(MembershipRecord, UserRecord.email)
            .join(UserRecord, UserRecord.id == MembershipRecord.user_id)
            .where(MembershipRecord.team_id == id)
            .order_by(MembershipRecord.user_id)
            .limit(limit + 1)
        )
        if after is not None:
            asked = asked.where(MembershipRecord.user_id > after)
        with self._database.read() as session:
            _find(session, id)
            rows = session.execute(asked).all()
        members = [Member(row.user_id, email, Role(row.role), row.created_at) for row, email in rows]
        return page_of(members, limit, lambda member: member.user_id)

    def set_member(self, id: str, user_id: str, role: Role, *, by: Actor = SYSTEM) -> Member:
        """Give somebody this role in the team, instead of what they had.

        Who may change all people may add anybody. Others change the roles of those who are in the team, and for all
        else there is nobody: to add somebody they send an invitation, which takes that person's consent. For a role
        shows the person's address to the team, and takes what the one team that they were in has set on them out of
        that team's hands.
        """
        by.require_in(id, Right.CHANGE_MEMBERS, no_team(id))
        with self._database.write() as session:
            lock_roles(self._database, session)
            team, user = _find(session, id), session.get(UserRecord, user_id)
            held = (MembershipRecord.user_id == user_id, MembershipRecord.team_id == id)
            is_member = session.scalar(select(MembershipRecord.id).where(*held)) is not None
            if user is None or not (is_member or by.may(Right.CHANGE_PEOPLE)):
                raise _no_member(user_id)
            if team.archived_at is not None:
                raise Conflict(f"The team {team.name!r} is archived.", param="id")
            now = self._database.now(session)
            set_role(self._database, session, user_id, id, role, by, now)
            session.flush()
            since = session.scalar(select(MembershipRecord.created_at).where(*held))
            return Member(user_id, user.email, role, since or now)

    def remove_member(self, id: str, user_id: str, *, by: Actor = SYSTEM) -> None:
        """Take somebody's role in the team. Their keys in it end with it."""
        by.require_in(id, Right.CHANGE_MEMBERS, no_team(id))
        with self._database.write() as session:
            held = (MembershipRecord.user_id == user_id, MembershipRecord.team_id == id)
            if session.scalar(select(MembershipRecord.id).where(*held)) is None:
                raise _no_member(user_id)
            set_role(self._database, session, user_id, id, None, by, self._database.now(session))


def no_team(id: str) -> NotFound:
    """What is said of a team that is not there, and of one that somebody does not see."""
    return NotFound(f"There is no team {id[:60]!r}.", param="team_id")


def _no_member(user_id: str) -> NotFound:
    """What is said of who is not in the team, be they anybody or nobody."""
    return NotFound(
        f"There is no member {user_id[:60]!r} in this team: an invitation by e-mail adds somebody.", param="user_id"
    )


def _find(session: Session, id: str) -> TeamRecord:
    row = session.get(TeamRecord, id)
    if row is None:
        raise no_team(id)
    return row


def _check_free(session: Session, name: str, id: str | None) -> None:
    other = session.scalar(select(TeamRecord.id).where(TeamRecord.name == name))
    if other is not None and other != id:
        raise Conflict(f"There is a team {name!r} already.", param="name")
    if name.startswith("team_"):
        raise InvalidField("name: it may not begin with `team_`, as ids do.", param="name")


def _state(row: TeamRecord) -> dict[str, object]:
    return {"name": row.name, "archived": row.archived_at is not None, "payload_days": row.payload_days}


def _shown(row: TeamRecord) -> Team:
    return Team(row.id, row.name, row.created_at, row.archived_at, row.payload_days)
