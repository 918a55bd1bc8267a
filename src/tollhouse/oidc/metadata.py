"""What an issuer says of itself (OpenID Connect Discovery)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tollhouse.domain.errors import IssuerUnavailable

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where the issuer is asked what. `told_issuer` is whether it tells browsers who it is (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    client_authentication: frozenset[str]
    told_issuer: bool


def metadata_from(document: Mapping[str, Any], issuer: str) -> Metadata:
    """Raises IssuerUnavailable where the document is not one of this issuer."""
    if document.get("issuer") != issuer:
        raise IssuerUnavailable(
            f"The issuer at {issuer} calls itself {str(document.get('issuer'))[:200]!r}: TOLLHOUSE_OIDC_ISSUER must be "
            "exactly what it calls itself."
        )
    methods = document.get("token_endpoint_auth_methods_supported")
    return Metadata(
        _endpoint(document, "authorization_endpoint", issuer),
        _endpoint(document, "token_endpoint", issuer),
        _endpoint(document, "jwks_uri", issuer),
        _endpoint(document, "userinfo_endpoint", issuer) if "userinfo_endpoint" in document else None,
        frozenset(one for one in methods if isinstance(one, str)) if isinstance(methods, list) else frozenset(),
        document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    """An address that is as safe as the issuer's own."""
    said = document.get(name)
    try:
        parts = urlsplit(said if isinstance(said, str) else "")
        # The issuer's own scheme, else https: what is asked there is a secret.
        good = bool(parts.hostname) and parts.scheme in {"https", urlsplit(issuer).scheme} and not parts.username
    except ValueError:
        good = False
    if not good:
        raise IssuerUnavailable(f"The issuer at {issuer} names no {name} that can be used.")
    return str(said)
