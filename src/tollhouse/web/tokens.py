"""Access and refresh tokens as the browser and Flask see them. Flask-JWT-Extended makes and checks them; what a family
of tokens is, and when it ends, is in `services/people/tokens.py`.

A page of ours may keep its refresh token in a cookie that no script can read. The browser sends it by itself, so
whoever uses it must also send what is in the other cookie, which only our own pages can read (double submit).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, after_this_request, current_app, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    decode_token,
    get_csrf_token,
    get_unverified_jwt_headers,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import CSRFError, NoAuthorizationError
from jwt.exceptions import ExpiredSignatureError

from tollhouse.domain.actor import Actor, Person
from tollhouse.domain.errors import ExpiredToken, Forbidden, InvalidField, InvalidToken, MissingToken
from tollhouse.services.people.token_keys import TokenKeys
from tollhouse.services.people.tokens import ALGORITHM, AUDIENCE, FAMILY_CLAIM, ISSUER, SIGN_IN, Session, checked_claims
from tollhouse.web.gate import services

REFRESH_COOKIE = "tollhouse_refresh"
REFRESH_COOKIE_PATH = "/api/auth"
CSRF_COOKIE = "tollhouse_csrf"
CSRF_HEADER = "X-CSRF-Token"
TEAMS_TOLD = 50
"""Teams that a token names: it goes in a header. What counts is what the database says."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who makes this request, as the database knows them now."""

    person: Person
    actor: Actor
    family_id: str


def register(app: Flask, keys: TokenKeys, access_seconds: int, *, https: bool) -> None:
    """What is not set here by name could be changed by a default of the library. `https` is whether all browsers come
    so; those that do are seen besides.
    """
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_TOKEN_LOCATION=["headers", "cookies"],
        JWT_REFRESH_COOKIE_NAME=REFRESH_COOKIE,
        JWT_REFRESH_CSRF_HEADER_NAME=CSRF_HEADER,
        JWT_CSRF_METHODS=["GET", "POST", "PUT", "PATCH", "DELETE"],
        JWT_CSRF_CHECK_FORM=False,
        JWT_COOKIE_CSRF_PROTECT=True,
        JWT_COOKIE_SECURE=https,
        JWT_HEADER_NAME="Authorization",
        JWT_HEADER_TYPE="Bearer",
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=access_seconds),
        JWT_DECODE_LEEWAY=0,
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_IDENTITY_CLAIM="sub",
        JWT_VERIFY_SUB=True,
    )
    manager = JWTManager(app)
    # Asked for each token: the server's secrets can be changed while it runs.
    manager.encode_key_loader(lambda _identity: keys.newest)
    manager.decode_key_loader(lambda header, _claims: keys.of(header))
    manager.additional_headers_loader(lambda _identity: {"kid": keys.newest_id})


def pair(session: Session) -> dict[str, Any]:
    """An access token and the refresh token that is good now."""
    person = session.person
    claims = {
        FAMILY_CLAIM: session.family_id,
        "role": person.organisation,
        "teams": [*person.teams][:TEAMS_TOLD],
    }
    life: timedelta = current_app.config["JWT_ACCESS_TOKEN_EXPIRES"]
    left = session.expires_at - datetime.now(UTC)
    return {
        "access_token": create_access_token(person.id, additional_claims=claims),
        "refresh_token": create_refresh_token(
            person.id,
            expires_delta=max(left, timedelta(seconds=1)),
            additional_claims={"jti": session.token_id, FAMILY_CLAIM: session.family_id},
        ),
        "token_type": "Bearer",
        "expires_in": int(life.total_seconds()),
    }


def pair_in_cookies(session: Session) -> dict[str, Any]:
    """The pair, of which the answer to this request has the refresh token in a cookie, and not in its body."""
    made = pair(session)
    refresh_token = made.pop("refresh_token")
    seconds = max(1, int((session.expires_at - datetime.now(UTC)).total_seconds()))
    _set_cookies(refresh_token, get_csrf_token(refresh_token), seconds)
    return made


def drop_cookies() -> None:
    """Have the answer to this request take the cookies away, where there are any."""
    if REFRESH_COOKIE in request.cookies or CSRF_COOKIE in request.cookies:
        _set_cookies("", "", 0)


def is_https() -> bool:
    """Whether this browser came by TLS: then its cookies go by nothing else."""
    return request.is_secure or bool(current_app.config["JWT_COOKIE_SECURE"])


def _set_cookies(refresh_token: str, csrf_token: str, seconds: int) -> None:
    how: Any = {"max_age": seconds, "secure": is_https(), "samesite": "Strict"}

    @after_this_request
    def set_them(response: Response) -> Response:
        response.set_cookie(REFRESH_COOKIE, refresh_token, path=REFRESH_COOKIE_PATH, httponly=True, **how)
        response.set_cookie(CSRF_COOKIE, csrf_token, path="/", **how)
        return response


def signed_in(*, or_cookie: bool = False) -> SignedIn:
    """Who makes this request; with `or_cookie` also by a refresh token in a cookie. Raises MissingToken, InvalidToken,
    ExpiredToken, Forbidden.
    """
    by_cookie = or_cookie and "authorization" not in request.headers and REFRESH_COOKIE in request.cookies
    claims = _cookie_claims() if by_cookie else _access_claims()
    family_id = claims[FAMILY_CLAIM]
    person = services().authentication.person(claims["sub"], family_id)
    actor = Actor("person", person.id, person.organisation, person.teams, request.remote_addr or "")
    return SignedIn(person, actor, family_id)


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh token that was sent, and how."""

    family_id: str
    token_id: str
    in_cookie: bool


def refuse_forms() -> None:
    """Raise InvalidField for a body that a form of any page in the world can have: else another page could sign
    somebody in here as its own author, whose keys and prompts would then be theirs to read.
    """
    if request.mimetype != "application/json":
        raise InvalidField(
            "Content-Type: a sign-in that asks for a cookie is sent as application/json.", param="Content-Type"
        )


def refresh_sent(token: str | None) -> Refresh:
    """This refresh token, or the one in the Authorization header, or in the cookie."""
    scheme, _, credential = request.headers.get("authorization", "").strip().partition(" ")
    given = token or (credential.strip() if scheme.lower() == "bearer" else "")
    if not given and REFRESH_COOKIE in request.cookies:
        claims = _cookie_claims()
        return Refresh(claims[FAMILY_CLAIM], claims["jti"], in_cookie=True)
    if not given:
        raise MissingToken(
            "No refresh token was given: send it as `refresh_token`, or as `Authorization: Bearer TOKEN`."
        )
    try:
        header, claims = get_unverified_jwt_headers(given), decode_token(given)
    except ExpiredSignatureError:
        raise ExpiredToken(f"This refresh token has expired: {SIGN_IN}.") from None
    except Exception:  # noqa: BLE001 - whatever a forged token does to its parser, it is no defect of ours
        raise InvalidToken(f"This refresh token is not valid: {SIGN_IN}.") from None
    checked = checked_claims(header, claims, "refresh")
    return Refresh(checked[FAMILY_CLAIM], checked["jti"], in_cookie=False)


def _cookie_claims() -> Any:
    """What the refresh token in the cookie says, where the page shows that it is one of ours."""
    try:
        header, claims = verify_jwt_in_request(refresh=True, locations=["cookies"]) or ({}, {})
    except CSRFError:
        raise Forbidden(
            f"A request with the cookie {REFRESH_COOKIE} must have the value of the cookie {CSRF_COOKIE} as "
            f"`{CSRF_HEADER}`.",
            param=CSRF_HEADER,
        ) from None
    except ExpiredSignatureError:
        raise ExpiredToken(f"This refresh token has expired: {SIGN_IN}.") from None
    except Exception:  # noqa: BLE001 - whatever a forged token does to its parser, it is no defect of ours
        raise InvalidToken(f"This refresh token is not valid: {SIGN_IN}.") from None
    return checked_claims(header, claims, "refresh")


def _access_claims() -> Any:
    try:
        header, claims = verify_jwt_in_request(locations=["headers"]) or ({}, {})
    except NoAuthorizationError:
        raise MissingToken(f"No access token was given: send it as `Authorization: Bearer TOKEN`; {SIGN_IN}.") from None
    except ExpiredSignatureError:
        raise ExpiredToken(f"This access token has expired: {SIGN_IN}.") from None
    except Exception:  # noqa: BLE001 - whatever a forged token does to its parser, it is no defect of ours
        raise InvalidToken(f"This access token is not valid: {SIGN_IN}.") from None
    return checked_claims(header, claims, "access")
