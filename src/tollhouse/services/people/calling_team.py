"""Whose call it is that a person makes."""

from sqlalchemy.orm import Session

from tollhouse.domain.actor import Person
from tollhouse.domain.errors import Forbidden, NotFound
from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.domain.rights import RIGHTS, Right
from tollhouse.services.people.memberships import person_of
from tollhouse.store.database import Database
from tollhouse.store.records import TeamRecord, UserRecord

HEADER = "x-tollhouse-team"


def calling_team(database: Database, person: Person, asked: str | None) -> str:
    """The team that a person's call belongs to: the one they name, else the one that they are in the longest.

    Raises NotFound, Forbidden.
    """
    callers = RIGHTS[Right.CALL_MODELS]
    everywhere = person.organisation in callers
    if asked is not None:
        seen = asked in person.teams or (everywhere and database.ask(lambda session: is_team(session, asked)))
        if not seen:
            raise no_such_team(asked)
        if everywhere or person.teams[asked] in callers:
            return asked
    else:
        for team_id, role in person.teams.items():
            if role in callers:
                return team_id
        if everywhere:
            return DEFAULT_TEAM
    raise Forbidden("Your role does not let you call models: an owner or an admin of a team can give you another.")


def no_such_team(asked: str) -> NotFound:
    """What is said of a team that is not there, and of one that somebody does not see."""
    return NotFound(f"There is no team {asked[:60]!r}.", param=HEADER)


def caller_for(session: Session, user_id: str, team_id: str) -> Person | None:
    """The person, where they may call models for this team now; None where they may not, or are kept out."""
    user = session.get(UserRecord, user_id)
    if user is None or user.disabled_at is not None or not is_team(session, team_id):
        return None
    person, callers = person_of(session, user), RIGHTS[Right.CALL_MODELS]
    return person if person.organisation in callers or person.teams.get(team_id) in callers else None


def is_team(session: Session, id: str) -> bool:
    """Whether there is such a team, and in use."""
    team = session.get(TeamRecord, id)
    return team is not None and team.archived_at is None
