"""Roles of people: read for all who ask, changed for whoever may."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor, Person
from tollhouse.domain.errors import Conflict, InvalidField
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.rights import Role
from tollhouse.services.audit import note
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import MembershipRecord, TeamRecord, UserRecord


@dataclass(frozen=True, slots=True)
class Roles:
    """What roles somebody has, in the organisation and by team; archived teams are left out."""

    organisation: Role | None
    teams: dict[str, Role]


def role_named(name: str, field: str = "role") -> Role:
    """The role of this name. InvalidField says which there are."""
    try:
        return Role(name)
    except ValueError:
        raise InvalidField(f"{field}: it must be one of {', '.join(Role)}.", param=field) from None


def roles_of(session: Session, user_ids: Sequence[str]) -> dict[str, Roles]:
    """The roles of each of these people."""
    found = {user_id: Roles(None, {}) for user_id in user_ids}
    asked = (
        select(MembershipRecord)
        .outerjoin(TeamRecord, TeamRecord.id == MembershipRecord.team_id)
        .where(MembershipRecord.user_id.in_(user_ids), TeamRecord.archived_at.is_(None))
        .order_by(MembershipRecord.id)
    )
    for row in session.scalars(asked):
        if row.team_id is None:
            found[row.user_id] = Roles(Role(row.role), found[row.user_id].teams)
        else:
            found[row.user_id].teams[row.team_id] = Role(row.role)
    return found


def person_of(session: Session, user: UserRecord) -> Person:
    """The person with their roles."""
    roles = roles_of(session, [user.id])[user.id]
    return Person(user.id, user.email, roles.organisation, roles.teams)


def actor_of(session: Session, user: UserRecord | None) -> Actor | None:
    """Somebody with the roles they have now; None where they are gone, or kept out."""
    if user is None or user.disabled_at is not None:
        return None
    person = person_of(session, user)
    return Actor("person", person.id, person.organisation, person.teams)


def set_role(
    database: Database, session: Session, user_id: str, team_id: str | None, role: Role | None, by: Actor, at: datetime
) -> None:
    """Give this role in the team, or in the organisation; None takes what they have. In the caller's transaction.

    Raises Forbidden, and Conflict where the organisation would have no owner left.
    """
    lock_roles(database, session)
    held = MembershipRecord.team_id.is_(None) if team_id is None else MembershipRecord.team_id == team_id
    row = session.scalar(select(MembershipRecord).where(MembershipRecord.user_id == user_id, held))
    before = None if row is None else Role(row.role)
    if before is role:
        return
    for one in (before, role):
        if one is not None:
            by.require_to_grant(one, team_id)
    if team_id is None and before is Role.OWNER:
        require_another_owner(session, user_id)
    announce(session)  # before the team's row is asked for, as whoever changes that does
    if role is None:
        session.execute(delete(MembershipRecord).where(MembershipRecord.user_id == user_id, held))
    elif row is None:
        session.add(
            MembershipRecord(id=new_id("mem"), user_id=user_id, team_id=team_id, role=role.value, created_at=at)
        )
    else:
        row.role = role.value
    note(
        session,
        by,
        "members.set" if team_id else "users.role",
        user_id,
        at=at,
        team_id=team_id,
        before={"role": before},
        after={"role": role},
    )


def lock_roles(database: Database, session: Session) -> None:
    """Let nobody else change roles until this transaction ends. Whoever locks people as well does this first."""
    if database.dialect == "postgresql":
        # Two owners who each unmake the other at once would both still see two.
        session.execute(text("LOCK TABLE memberships IN SHARE ROW EXCLUSIVE MODE"))


def require_another_owner(session: Session, user_id: str) -> None:
    """Raise Conflict where nobody else is an owner of the organisation who can sign in."""
    another = session.scalar(
        select(MembershipRecord.id)
        .join(UserRecord, UserRecord.id == MembershipRecord.user_id)
        .where(
            MembershipRecord.team_id.is_(None),
            MembershipRecord.role == Role.OWNER.value,
            MembershipRecord.user_id != user_id,
            UserRecord.disabled_at.is_(None),
        )
        .limit(1)
    )
    if another is None:
        raise Conflict("The organisation would have no owner left: make another first.")
