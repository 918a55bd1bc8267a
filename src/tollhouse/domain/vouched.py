"""What an issuer says of somebody, once all of it was checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom a token is of: `subject` is the issuer's name for them, which it gives to nobody else, ever.

    `email` is there only where the issuer says that it verified it.
    """

    issuer: str
    subject: str
    email: str | None
    issued_at: datetime
    expires_at: datetime
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def names(self, claim: str) -> tuple[str, ...] | None:
        """The names that a claim lists, or is; None where the issuer did not say them here.

        `realm_access.roles` is that claim, or else `roles` in `realm_access`.
        """
        said: Any = self.claims
        if claim in self.claims:
            said = self.claims[claim]
        else:
            for step in claim.split("."):
                said = said.get(step) if isinstance(said, Mapping) else None
        if said is None and claim in _elsewhere(self.claims):
            return None
        if isinstance(said, str):
            return (said,)
        return tuple(name for name in said if isinstance(name, str)) if isinstance(said, list) else ()


def _elsewhere(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """Claims that are too long for a token, and are told only to who asks (OpenID Connect Core, 5.6.2)."""
    said = claims.get("_claim_names")
    return said if isinstance(said, Mapping) else {}
