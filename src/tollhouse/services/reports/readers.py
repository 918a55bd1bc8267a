"""Who may read a report, by the rights that people have now: whoever has it sent, and whoever it is sent to."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.rights import Right
from tollhouse.services.people.memberships import actor_of
from tollhouse.store.records import UserRecord

Teams = frozenset[str] | None
"""Of which a report tells; None for all that there are, and will be."""


def reader(session: Session, user_id: str | None) -> Actor | None:
    """A person with the roles they have now; None where they are gone or kept out."""
    return None if user_id is None else actor_of(session, session.get(UserRecord, user_id))


def readers_among(session: Session, emails: Sequence[str], teams: Teams) -> list[str]:
    """Those of the addresses, in their order, that are of people here who may see what these teams pay."""
    people = session.scalars(select(UserRecord).where(UserRecord.email.in_(emails))).all()
    may = {user.email for user in people if (actor := actor_of(session, user)) and may_read(actor, teams)}
    return [email for email in emails if email in may]


def may_read(actor: Actor, teams: Teams) -> bool:
    """Whether they may see what all of these teams pay."""
    seen = actor.teams_with(Right.VIEW_MONEY)
    return seen is None or (teams is not None and teams <= seen)
