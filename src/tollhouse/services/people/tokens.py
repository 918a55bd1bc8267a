"""What people hold after they signed in: a short access token, and a refresh token that is good once.

All tokens that one sign-in became are a family, one row. Whoever renews with a token of the family that is not the
current one has it from somebody else, or somebody has theirs: the family ends, for both. There is no grace for two
who race: it would be as good to a thief as to a page that asks twice, and a page can take turns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session as Transaction

from tollhouse import logs
from tollhouse.domain.actor import Actor, Person
from tollhouse.domain.errors import ExpiredToken, InvalidToken, SpentToken
from tollhouse.domain.identifiers import new_id
from tollhouse.services.audit import note
from tollhouse.services.people.memberships import person_of
from tollhouse.services.people.token_keys import TokenKeys
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import RefreshTokenRecord, UserRecord

ALGORITHM = "HS256"
ISSUER = "tollhouse"
AUDIENCE = "tollhouse/api"
FAMILY_CLAIM = "fam"
REUSE = "reuse"
SIGN_IN = "sign in with `POST /api/auth/login` for one"
REMOVED_AT_ONCE = 500
"""Old families that one transaction removes, so that none holds the write lock for long."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in: `token_id` is the id of the family's one good refresh token."""

    person: Person
    family_id: str
    token_id: str
    expires_at: datetime


class Tokens:
    """`life` is that of a family, from the sign-in to the last renewal."""

    def __init__(self, database: Database, keys: TokenKeys, life: timedelta) -> None:
        self._database = database
        self._keys = keys
        self._life = life

    def begin(self, session: Transaction, user: UserRecord) -> Session:
        """A new family, in the caller's transaction, which has just seen that the user may sign in."""
        now = self._database.now(session)
        if user.void_before is not None and user.void_before >= now:
            # The clock was set back, or is not fine enough: what begins now is later all the same.
            now = user.void_before + timedelta(microseconds=1)
        old = select(RefreshTokenRecord.id).where(RefreshTokenRecord.expires_at <= now).limit(REMOVED_AT_ONCE)
        session.execute(
            delete(RefreshTokenRecord).where(RefreshTokenRecord.id.in_(old)),
            execution_options={"synchronize_session": False},
        )
        row = RefreshTokenRecord(
            id=new_id("fam"),
            user_id=user.id,
            current=new_id("rft"),
            created_at=now,
            renewed_at=now,
            expires_at=now + self._life,
        )
        session.add(row)
        return Session(person_of(session, user), row.id, row.current, row.expires_at)

    def renew(self, family_id: str, token_id: str) -> Session:
        """Spend this refresh token for the next. Raises InvalidToken, and SpentToken when it was spent before: then
        the whole family has ended.
        """
        with self._database.write() as session:
            now = self._database.now(session)
            following = new_id("rft")
            taken = session.execute(
                update(RefreshTokenRecord)
                .where(
                    RefreshTokenRecord.id == family_id,
                    RefreshTokenRecord.current == token_id,
                    RefreshTokenRecord.ended_at.is_(None),
                    RefreshTokenRecord.expires_at > now,
                )
                .values(current=following, renewed_at=now)
                .returning(RefreshTokenRecord.user_id, RefreshTokenRecord.created_at, RefreshTokenRecord.expires_at)
            ).one_or_none()
            if taken is not None:
                user = session.get(UserRecord, taken.user_id)
                if user is not None and is_good(user, taken.created_at):
                    return Session(person_of(session, user), family_id, following, taken.expires_at)
            reused = taken is None and self._end_if_spent(session, family_id, token_id, now)
        if reused:
            raise SpentToken(
                "A refresh token of this sign-in was used twice, so somebody else may have it: all that came from it "
                "has ended. Sign in again."
            )
        raise InvalidToken(f"This refresh token is not good any more: {SIGN_IN}.")

    def end(self, family_id: str, by: Actor) -> None:
        """Sign out: the family's tokens are refused within a second. Again is no error."""
        with self._database.write() as session:
            now = self._database.now(session)
            if _end(session, family_id, "sign_out", now):
                note(session, by, "auth.sign_out", by.id, at=now)

    def claims(self, token: str) -> Mapping[str, Any]:
        """What an access token says, once all of it was checked. Raises InvalidToken, ExpiredToken."""
        try:
            parsed = jwt.decode_complete(
                token,
                self._keys.of(jwt.get_unverified_header(token)),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["exp", "iat", "sub", "jti", "iss", "aud"], "strict_aud": True},
            )
        except jwt.ExpiredSignatureError:
            raise ExpiredToken(f"This access token has expired: {SIGN_IN}.") from None
        except Exception:  # noqa: BLE001 - whatever a forged token does to its parser, it is no defect of ours
            raise InvalidToken(f"This access token is not valid: {SIGN_IN}.") from None
        return checked_claims(parsed["header"], parsed["payload"], "access")

    def _end_if_spent(self, session: Transaction, family_id: str, token_id: str, now: datetime) -> bool:
        row = session.get(RefreshTokenRecord, family_id)
        if row is None or row.expires_at <= now:
            return False
        if row.current == token_id:
            return row.ended_by == REUSE  # who did nothing wrong is told as well
        if _end(session, family_id, REUSE, now):
            logs.event("refresh_token_reused", level=logs.WARNING, user=row.user_id, family=family_id)
            note(session, Actor("system", "system"), "auth.reuse", row.user_id, at=now)
        return True


def checked_claims(header: Mapping[str, Any], claims: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The claims, where they are those of a token of this kind. Raises InvalidToken."""
    # We ask nobody to understand an extension, so a token that does is none of ours.
    good = "crit" not in header and {"exp", "iat"} <= claims.keys() and claims.get("type") == kind
    if not good or not all(isinstance(claims.get(name), str) for name in ("sub", "jti", FAMILY_CLAIM)):
        raise InvalidToken(f"This {kind} token is not valid: {SIGN_IN}.")
    return claims


def is_of_ours(token: str) -> bool:
    """Whether a token could have been made here, by the algorithm that it names. It may be forged all the same."""
    try:
        return jwt.get_unverified_header(token).get("alg") == ALGORITHM
    except Exception:  # noqa: BLE001 - whatever a forged token does to its parser, it is no defect of ours
        return True


def is_good(user: UserRecord, began: datetime) -> bool:
    """Whether a family of this user that began then is good, as far as the user goes."""
    return user.disabled_at is None and (user.void_before is None or began > user.void_before)


def _end(session: Transaction, family_id: str, why: str, at: datetime) -> bool:
    ended = session.execute(
        update(RefreshTokenRecord)
        .where(RefreshTokenRecord.id == family_id, RefreshTokenRecord.ended_at.is_(None))
        .values(ended_at=at, ended_by=why)
        .returning(RefreshTokenRecord.id)
    ).one_or_none()
    if ended is not None:
        announce(session)
    return ended is not None
