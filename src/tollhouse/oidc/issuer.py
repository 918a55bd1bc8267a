"""The issuer as services see it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tollhouse import logs
from tollhouse.domain.errors import (
    ExpiredToken,
    InvalidSetting,
    InvalidToken,
    IssuerUnavailable,
    SignInRefused,
)
from tollhouse.domain.ports import SignInProof
from tollhouse.domain.vouched import Vouched
from tollhouse.oidc.kept import Kept
from tollhouse.oidc.metadata import WELL_KNOWN, Metadata, metadata_from
from tollhouse.oidc.web import Answer, Web
from tollhouse.settings import Settings

if TYPE_CHECKING:
    from joserfc.jwt import Token

    from tollhouse.oidc.signatures import Signatures

LEEWAY_SECONDS = 60
"""Between the issuer's clock and ours."""
ACCESS_TOKEN_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Of the header `typ`, where there is one (RFC 9068): not a token that signs somebody out, and no proof of a key."""
OURS_TO_MEND = frozenset({"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"})
LONGEST_SUBJECT = 255


class OidcIssuer:
    """`callback` is where browsers come back to. `timing` is for tests."""

    def __init__(self, settings: Settings, web: Web, callback: str, **timing: Any) -> None:
        self.name = settings.oidc_issuer
        self._settings = settings
        self._web = web
        self._callback = callback
        self._metadata = Kept(self._discover, **timing)
        self._signatures: Signatures | None = None
        self._timing = timing

    def sign_in_url(self, proof: SignInProof) -> str:
        endpoint = self._metadata.get().authorization_endpoint
        url, _ = self._client().create_authorization_url(
            endpoint, state=proof.state, nonce=proof.nonce, code_verifier=proof.verifier
        )
        return str(url)

    def redeem(self, code: str, proof: SignInProof, said_issuer: str | None) -> Vouched:
        metadata = self._metadata.get()
        if said_issuer != self.name and (said_issuer is not None or metadata.told_issuer):
            raise SignInRefused("This answer is of another issuer than the one that was asked.", param="iss")
        answer = self._fetch_token(metadata, code, proof)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise SignInRefused("The issuer gave no ID token: TOLLHOUSE_OIDC_SCOPES must have `openid`.")
        try:
            token = self._checked(id_token)
            claims = self._id_claims(token, proof.nonce, access_token)
            if "email" not in claims and metadata.userinfo_endpoint and isinstance(access_token, str):
                claims = self._with_userinfo(claims, metadata.userinfo_endpoint, access_token)
            return self._vouched(claims)
        except InvalidToken as error:
            logs.event("id_token_refused", level=logs.WARNING, error=error.message)
            raise SignInRefused(
                f"The issuer's ID token cannot be believed: {error.message.partition(': ')[2] or error.message}"
            ) from None
        except ExpiredToken:
            raise SignInRefused("The issuer's ID token has expired already: one of the clocks is wrong.") from None

    def vouched(self, token: str) -> Vouched:
        parsed = self._checked(token)
        kind = parsed.header.get("typ")
        if kind is not None and (not isinstance(kind, str) or kind.lower() not in ACCESS_TOKEN_TYPES):
            raise _invalid("it is no access token")
        if "cnf" in parsed.claims:
            raise _invalid("it is bound to a key (`cnf`), which is not supported")
        from joserfc.jwt import JWTClaimsRegistry

        registry = JWTClaimsRegistry(leeway=LEEWAY_SECONDS, **self._expected(self._settings.oidc_audience))
        _validate(lambda: registry.validate(parsed.claims))
        return self._vouched(parsed.claims)

    def _expected(self, audience: str) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self.name},
            "aud": {"essential": True, "value": audience},
            "sub": {"essential": True},
            "exp": {"essential": True},
            "iat": {"essential": True},
        }

    def _id_claims(self, token: "Token", nonce: str, access_token: object) -> Mapping[str, Any]:
        from authlib.oidc.core import CodeIDToken

        client_id = self._settings.oidc_client_id
        params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
        claims = CodeIDToken(token.claims, token.header, self._expected(client_id), params)
        _validate(lambda: claims.validate(leeway=LEEWAY_SECONDS))
        return dict(claims)

    def _with_userinfo(self, claims: Mapping[str, Any], endpoint: str, access_token: str) -> Mapping[str, Any]:
        """Some issuers tell an e-mail address there alone. What the ID token says goes before it."""
        told = self._web.get(endpoint, bearer=access_token).document()
        if told.get("sub") != claims["sub"]:
            raise _invalid("the issuer's user information is of somebody else")
        return {**told, **claims}

    def _vouched(self, claims: Mapping[str, Any]) -> Vouched:
        subject, email = claims["sub"], claims.get("email")
        if not subject or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
            raise _invalid(f"its subject must have 1 to {LONGEST_SUBJECT} printable characters")
        # Exactly true, as the standard has it: "false" is a text that counts as true.
        verified = isinstance(email, str) and claims.get("email_verified") is True
        try:
            issued_at, expires_at = (datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
        except (ValueError, OverflowError, OSError):
            raise _invalid("its times are none") from None
        return Vouched(
            self.name, subject, str(email).strip().lower() if verified else None, issued_at, expires_at, claims
        )

    def _checked(self, token: str) -> "Token":
        if self._signatures is None:
            from tollhouse.oidc.signatures import Signatures

            self._signatures = Signatures(self._fetch_keys, **self._timing)
        return self._signatures.checked(token)

    def _fetch_keys(self) -> Mapping[str, Any]:
        return self._web.get(self._metadata.get().jwks_uri).document()

    def _discover(self) -> Metadata:
        document = self._web.get(self.name.rstrip("/") + WELL_KNOWN).document()
        return metadata_from(document, self.name)

    def _fetch_token(self, metadata: Metadata, code: str, proof: SignInProof) -> Mapping[str, Any]:
        client = self._client(metadata)
        try:
            answer: Mapping[str, Any] = client.fetch_token(
                metadata.token_endpoint, grant_type="authorization_code", code=code, code_verifier=proof.verifier
            )
        except _TokenRefused as error:
            said = _printable(f"{error.code} {error.description or ''}")
            logs.event("issuer_refused", level=logs.WARNING, error=said)
            if error.code in OURS_TO_MEND:
                raise IssuerUnavailable(
                    f"The issuer refuses this gateway ({said}): check TOLLHOUSE_OIDC_CLIENT_ID and "
                    "TOLLHOUSE_OIDC_CLIENT_SECRET."
                ) from None
            raise SignInRefused(f"The issuer refused the sign-in ({said}): begin again.") from None
        except ValueError:
            raise IssuerUnavailable("The issuer's token endpoint answered with what is no JSON.") from None
        return answer

    def _client(self, metadata: Metadata | None = None) -> Any:
        """Authlib's client of this issuer."""
        from authlib.oauth2.client import OAuth2Client

        settings = self._settings
        method = "none"
        if settings.oidc_client_secret:
            known = metadata.client_authentication if metadata else frozenset()
            post = "client_secret_post" in known and "client_secret_basic" not in known
            method = "client_secret_post" if post else "client_secret_basic"
        client = OAuth2Client(
            _Session(self._web),
            settings.oidc_client_id,
            settings.oidc_client_secret or None,
            token_endpoint_auth_method=method,
            scope=settings.oidc_scopes,
            redirect_uri=self._callback,
            code_challenge_method="S256",
        )
        client.oauth_error_class = _TokenRefused
        return client


class _TokenRefused(Exception):
    """What the token endpoint says, as Authlib makes it. Authlib's own error refuses to quote some characters."""

    def __init__(self, error: object, description: object = None) -> None:
        super().__init__(error)
        self.code = str(error)
        self.description = description


class _Session:
    """What Authlib's client posts with."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> Answer:
        from urllib.parse import urlencode

        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._web.post(url, headers, body)


def issuer_of(settings: Settings, callback: str, proxy_for: Callable[[str], str | None]) -> OidcIssuer | None:
    """The issuer that the settings name. Raises InvalidSetting."""
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id and not settings.oidc_audience:
        raise InvalidSetting(
            "TOLLHOUSE_OIDC_ISSUER needs TOLLHOUSE_OIDC_CLIENT_ID for people to sign in with it, or "
            "TOLLHOUSE_OIDC_AUDIENCE for its tokens to be taken.",
            param="TOLLHOUSE_OIDC_ISSUER",
        )
    return OidcIssuer(settings, Web(settings.ca_bundle, proxy_for), callback)


def _validate(check: Callable[[], None]) -> None:
    from joserfc.errors import ClaimError, ExpiredTokenError

    try:
        check()
    except ExpiredTokenError:
        raise ExpiredToken("This access token has expired: get another from your issuer.") from None
    except ClaimError as error:
        raise _invalid(f"its claim {error.claim!r} is not as it must be") from None
    except (TypeError, ValueError, AttributeError):
        raise _invalid("its claims cannot be read") from None


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()[:200]


def _invalid(why: str) -> InvalidToken:
    return InvalidToken(f"This access token is not valid: {why}.")
