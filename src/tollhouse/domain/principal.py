"""Who is calling."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Literal

Scope = tuple[str, str]
"""What a budget or a limit is set on: (kind, id), as ("key", "key_01…")."""
ORGANISATION: Scope = ("organisation", "all")
"""The scope of every call of this installation."""
SCOPE_KINDS = ("key", "user", "team", "model", "tag", "organisation")

Priority = Literal["interactive", "batch"]
"""Whose calls go first when there is room for few: somebody waits for those of the first."""

DEFAULT_TEAM = "team_default"
"""The team that is there from the start: what is made without a team belongs to it."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, a program with a key or a person: a value, so that no session is held open while a
    call runs. `key_id` is what the call is booked on: the key's id, or the person's own where they call themselves,
    or the subject's of an issuer's token that is of nobody here.
    `tags` are on each of its calls.
    """

    key_id: str
    name: str
    models: frozenset[str] | None = None
    expires_at: datetime | None = None
    team_id: str = DEFAULT_TEAM
    """Whose the things are that this caller makes, and all that it can see."""
    user_id: str | None = None
    paths: tuple[str, ...] | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] | None = None
    tags: tuple[str, ...] = ()
    priority: Priority = "interactive"

    def scopes(self, model: str, tags: Iterable[str]) -> tuple[Scope, ...]:
        """The scopes whose budgets a call to this model, with these tags, is held in."""
        of_user = () if self.user_id is None else (("user", self.user_id),)
        of_tags = [("tag", tag) for tag in tags]
        return (("key", self.key_id), *of_user, ("team", self.team_id), ("model", model), *of_tags, ORGANISATION)

    def may_use(self, model: str) -> bool:
        """Whether this principal's key allows the model; a key without a list allows all."""
        return self.models is None or model in self.models

    def may_call(self, path: str) -> bool:
        """Whether the key allows the path: one that it lists, or one below that."""
        return self.paths is None or any(path == one or path.startswith(f"{one}/") for one in self.paths)

    def may_come_from(self, address: str) -> bool:
        """Whether the key allows calls from this address. What is no address comes from nowhere that is allowed."""
        if self.networks is None:
            return True
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self.networks)
