"""Who signs people in, where that is somebody else."""

from dataclasses import dataclass, field
from typing import Protocol

from tollhouse.domain.vouched import Vouched


@dataclass(frozen=True, slots=True)
class SignInProof:
    """What one sign-in with the issuer is bound to: `state` comes back with the browser, `nonce` in the token, and
    `verifier` shows who asks for that token that they began (PKCE).
    """

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Issuer(Protocol):
    """An OpenID Connect issuer. All of it raises IssuerUnavailable where that does not answer as it must."""

    name: str
    """As it calls itself."""

    def sign_in_url(self, proof: SignInProof) -> str:
        """Where to send a browser."""

    def redeem(self, code: str, proof: SignInProof, said_issuer: str | None) -> Vouched:
        """Who came back with this code; `said_issuer` is whom the browser says that it comes from (RFC 9207).

        Raises SignInRefused where anything about it is not as it must be.
        """

    def vouched(self, token: str) -> Vouched:
        """Whose access token this is. Raises InvalidToken, ExpiredToken."""
