"""Who is calling."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

Scope = tuple[str, str]
"""What a budget or a limit is set on: (kind, id), as ("key", "key_01…")."""
ORGANISATION: Scope = ("organisation", "all")
"""The scope of every call of this installation."""

SCOPE_KINDS = ("key", "user", "team", "model", "tag", "organisation")
DEFAULT_TEAM = "team_default"
"""The team that is there from the beginning."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: a value, so that no session is held open while a call runs.

    `tags` are on each of its calls.
    """

    key_id: str
    name: str
    models: frozenset[str] | None = None
    expires_at: datetime | None = None
    team_id: str = DEFAULT_TEAM
    """Whose the things are that this caller makes, and all that it can see."""
    user_id: str | None = None
    tags: tuple[str, ...] = ()

    def scopes(self, model: str, tags: Iterable[str]) -> tuple[Scope, ...]:
        """The scopes whose budgets a call to this model, with these tags, is held in."""
        of_user = () if self.user_id is None else (("user", self.user_id),)
        of_tags = [("tag", tag) for tag in tags]
        return (("key", self.key_id), *of_user, ("team", self.team_id), ("model", model), *of_tags, ORGANISATION)

    def may_use(self, model: str) -> bool:
        """Whether this principal's key allows the model; a key without a list allows all."""
        return self.models is None or model in self.models
