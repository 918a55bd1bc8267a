"""As whom a schedule begins its work, and who may decide that."""

from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.domain.rights import Right
from tollhouse.services.people.calling_team import is_team
from tollhouse.services.people.memberships import actor_of
from tollhouse.services.people.teams import no_team
from tollhouse.store.records import ApiKeyRecord, UserRecord


def owner_of(
    session: Session, by: Actor, key_id: str | None, team_id: str | None, user_id: str | None = None
) -> tuple[str, str]:
    """The id that the work is booked on, and its team. Raises InvalidField, Forbidden, NotFound.

    A key that is not one's own takes the right to change the team's keys: whoever schedules as a key spends as it.
    `user_id` is for whom the shell asks.
    """
    if key_id is not None:
        missing = NotFound(f"There is no key {key_id[:60]!r}; `tollhouse keys list` shows them.", param="key_id")
        key = session.get(ApiKeyRecord, key_id)
        if key is None or (team_id is not None and key.team_id != team_id):
            raise missing
        by.require_in(key.team_id, Right.CHANGE_JOBS, missing)
        require_to_spend_as(session, by, key.id, key.team_id)
        return key.id, key.team_id
    if by.kind != "person" and user_id is not None:
        by = _person(session, user_id)
    if by.kind != "person":
        raise InvalidField("key_id: it says as whom the work is begun.", param="key_id")
    team = team_id or _only_team(by)
    by.require_in(team, Right.CHANGE_JOBS, no_team(team))
    by.require(Right.CALL_MODELS, team)
    if not is_team(session, team):
        raise no_team(team)
    return by.id, team


def require_to_spend_as(session: Session, by: Actor, key_id: str, team_id: str) -> None:
    """Raise Forbidden unless they may decide what is done as this key or person."""
    key = session.get(ApiKeyRecord, key_id)
    if by.id not in (key_id, key.user_id if key else None):
        by.require(Right.CHANGE_KEYS, team_id)


def _person(session: Session, user_id: str) -> Actor:
    person = actor_of(session, session.get(UserRecord, user_id))
    if person is None:
        raise NotFound(f"There is nobody {user_id[:60]!r} who may come in.", param="user_id")
    return person


def _only_team(by: Actor) -> str:
    if len(by.teams) > 1:
        raise InvalidField("team_id: you are in more than one team: say in which.", param="team_id")
    return next(iter(by.teams), DEFAULT_TEAM)
