"""Who is calling."""

from dataclasses import dataclass
from datetime import datetime

DEFAULT_TEAM = "team_default"
"""The one team that there is."""

Scope = tuple[str, str]
"""What a budget or a limit is set on: (kind, id), as ("key", "key_01…")."""
ORGANISATION: Scope = ("organisation", "all")
"""The scope of every call of this installation."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: a value, so that no session is held open while a call runs."""

    key_id: str
    name: str
    models: frozenset[str] | None = None
    expires_at: datetime | None = None
    team_id: str = DEFAULT_TEAM
    """Whose the things are that this caller makes, and all that it can see."""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes whose budgets each call of this principal is held in."""
        return (("key", self.key_id),)

    def may_use(self, model: str) -> bool:
        """Whether this principal's key allows the model; a key without a list allows all."""
        return self.models is None or model in self.models
