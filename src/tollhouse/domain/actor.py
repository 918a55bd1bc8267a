"""Who makes a change, or asks to see something."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollhouse.domain.errors import Forbidden, NotFound
from tollhouse.domain.rights import RIGHTS, Right, Role, may_grant


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in, with the roles they have: in the organisation, and in teams by the team's id."""

    id: str
    email: str
    organisation: Role | None = None
    teams: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Actor:
    """A value that each service method takes as `by`. `kind` is "person", "shell" or "system"; `id` is the person's,
    or the kind once more. `address` is where they are, as far as it is known.
    """

    kind: str
    id: str
    organisation: Role | None = None
    teams: Mapping[str, Role] = field(default_factory=dict)
    address: str = ""

    def roles_in(self, team_id: str | None) -> frozenset[Role]:
        """The roles that count in this team; None is the organisation, whose roles count in all teams."""
        given = (self.organisation, self.teams.get(team_id) if team_id is not None else None)
        return frozenset(role for role in given if role is not None)

    def sees(self, team_id: str | None) -> bool:
        """Whether this team exists for them; None is the organisation. What belongs to another is not there: 404,
        never 403.
        """
        return bool(self.roles_in(team_id))

    def may(self, right: Right, team_id: str | None = None) -> bool:
        """Whether they have this right, in this team where it is one of a team."""
        return bool(RIGHTS[right] & self.roles_in(None if right.is_organisations else team_id))

    def require(self, right: Right, team_id: str | None = None) -> None:
        """Raise Forbidden unless they have the right."""
        if not self.may(right, team_id):
            where = "the organisation" if right.is_organisations or team_id is None else "this team"
            raise Forbidden(f"This takes the right {right.value!r}, which your role in {where} does not give.")

    def require_in(self, team_id: str | None, right: Right, missing: NotFound) -> None:
        """Raise `missing` where they do not see the team, None for the organisation; else Forbidden unless they have
        the right there.
        """
        if not self.sees(team_id):
            raise missing
        self.require(right, team_id)

    def require_to_grant(self, role: Role, team_id: str | None) -> None:
        """Raise Forbidden unless they may give or take this role there."""
        if not may_grant(self.roles_in(team_id), role):
            raise Forbidden(f"Only an owner may give or take the role {role.value!r}.")

    def teams_with(self, right: Right) -> frozenset[str] | None:
        """The teams in which they have this right; None for all."""
        if self.may(right):
            return None
        return frozenset(team_id for team_id in self.teams if self.may(right, team_id))


SHELL = Actor("shell", "shell", Role.OWNER)
"""Whoever has a shell on this machine can read its secret key, and so may do everything."""
SYSTEM = Actor("system", "system", Role.OWNER)
"""The gateway itself, at its start."""
