"""Access and refresh tokens as the browser and Flask see them. Flask-JWT-Extended makes and checks them; what a family
of tokens is, and when it ends, is in `services/tokens.py`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, current_app, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    decode_token,
    get_unverified_jwt_headers,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import NoAuthorizationError
from jwt.exceptions import ExpiredSignatureError

from tollhouse.domain.actor import Actor, Person
from tollhouse.domain.errors import ExpiredToken, InvalidToken, MissingToken
from tollhouse.services.token_keys import TokenKeys
from tollhouse.services.tokens import ALGORITHM, AUDIENCE, FAMILY_CLAIM, ISSUER, SIGN_IN, Session, checked_claims
from tollhouse.web.gate import services

TEAMS_TOLD = 50
"""Teams that a token names: it goes in a header. What counts is what the database says."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who makes this request, as the database knows them now."""

    person: Person
    actor: Actor
    family_id: str


def register(app: Flask, keys: TokenKeys, access_seconds: int) -> None:
    """What is not set here by name could be changed by a default of the library."""
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_TOKEN_LOCATION=["headers"],
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


def signed_in() -> SignedIn:
    """Who makes this request. Raises MissingToken, InvalidToken, ExpiredToken."""
    claims = _access_claims()
    family_id = claims[FAMILY_CLAIM]
    person = services().authentication.person(claims["sub"], family_id)
    actor = Actor("person", person.id, person.organisation, person.teams, request.remote_addr or "")
    return SignedIn(person, actor, family_id)


def refresh_claims(token: str | None) -> tuple[str, str]:
    """The family and the id of this refresh token, or of the one in the Authorization header."""
    scheme, _, credential = request.headers.get("authorization", "").strip().partition(" ")
    given = token or (credential.strip() if scheme.lower() == "bearer" else "")
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
    return checked[FAMILY_CLAIM], checked["jti"]


def _access_claims() -> Any:
    try:
        header, claims = verify_jwt_in_request() or ({}, {})
    except NoAuthorizationError:
        raise MissingToken(f"No access token was given: send it as `Authorization: Bearer TOKEN`; {SIGN_IN}.") from None
    except ExpiredSignatureError:
        raise ExpiredToken(f"This access token has expired: {SIGN_IN}.") from None
    except Exception:  # noqa: BLE001 - whatever a forged token does to its parser, it is no defect of ours
        raise InvalidToken(f"This access token is not valid: {SIGN_IN}.") from None
    return checked_claims(header, claims, "access")
