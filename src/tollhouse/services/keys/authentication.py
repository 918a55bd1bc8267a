"""From a key or an access token to a principal."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Person
from tollhouse.domain.errors import (
    ExpiredKey,
    ExpiredToken,
    InvalidKey,
    InvalidToken,
    MissingKey,
    RevokedKey,
)
from tollhouse.domain.principal import Principal
from tollhouse.services.keys.mint import PREFIX, KeyMint
from tollhouse.services.people.calling_team import caller_for, calling_team
from tollhouse.services.people.memberships import person_of
from tollhouse.services.people.outside_tokens import OutsideTokens
from tollhouse.services.people.tokens import FAMILY_CLAIM, SIGN_IN, Tokens, is_good, is_of_ours
from tollhouse.store.database import Database
from tollhouse.store.records import ApiKeyRecord, RefreshTokenRecord, TeamRecord, UserRecord

CACHED_KEYS = 20_000


class Authentication:
    """Keys, tokens and people are looked up once and kept in memory until anything changes in the database: keys and
    tokens by their full digest.
    """

    def __init__(
        self,
        database: Database,
        mint: KeyMint,
        tokens: Tokens | None = None,
        outside: OutsideTokens | None = None,
    ) -> None:
        """`outside` are tokens of an issuer, where those are taken."""
        self._database = database
        self._mint = mint
        self._tokens = tokens
        self._outside = outside
        self._known: dict[str, Principal | None] = {}
        self._people: dict[tuple[str, str], Person] = {}
        self._generation = 0

    def principal(self, key: str | None, team: str | None = None) -> Principal:
        """The caller with this key or access token; `team` is what the caller says of a token: whose call it is.

        Raises MissingKey, InvalidKey, RevokedKey, ExpiredKey, InvalidToken, ExpiredToken, NotFound, Forbidden,
        IssuerUnavailable.
        """
        if not key:
            raise MissingKey(
                "No API key was given: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`. "
                "`tollhouse keys create --name NAME` makes one."
            )
        digest = self._mint.digest(key if team is None else f"{key}\n{team}")
        try:
            principal = self._known[digest]
        except KeyError:
            principal = self._look_up(key, digest, team)
        if principal is None:
            raise RevokedKey("This API key was revoked: `tollhouse keys create --name NAME` makes another.")
        if principal.expires_at is not None and principal.expires_at <= datetime.now(UTC):
            if self._mint.stored_as(key) is None:
                raise ExpiredToken(f"This access token has expired: {SIGN_IN}.")
            raise ExpiredKey("This API key has expired: `tollhouse keys create --name NAME` makes another.")
        return principal

    def owner(self, key_id: str, team_id: str) -> Principal:
        """Whose work goes on after their request: the key, or the person, as they are now. Raises RevokedKey,
        ExpiredKey, and what the database raises. Nothing of it is kept: ask now and then.
        """
        with self._database.read() as session:
            principal = _owner(session, key_id, team_id)
        if principal is None:
            raise RevokedKey("The API key, or whoever asked for this, has no right to call models any more.")
        if principal.expires_at is not None and principal.expires_at <= datetime.now(UTC):
            raise ExpiredKey("The API key has expired.")
        return principal

    def person(self, user_id: str, family_id: str) -> Person:
        """Who holds an access token of this family, with the roles they have now. Raises InvalidToken."""
        known = self._people.get((user_id, family_id))
        if known is not None:
            return known
        generation = self._generation
        person = self._database.ask(lambda session: _person(session, user_id, family_id))
        if person is None:
            raise InvalidToken(f"This access token was ended: {SIGN_IN}.")
        if generation == self._generation and len(self._people) < CACHED_KEYS:
            self._people[user_id, family_id] = person
        return person

    def forget(self) -> None:
        """Look all up anew: something changed."""
        self._generation += 1
        self._known = {}
        self._people = {}

    def _look_up(self, key: str, digest: str, team: str | None) -> Principal | None:
        generation = self._generation
        principal: Principal | None
        if (of_key := self._mint.stored_as(key)) is not None:
            principal = self._database.ask(lambda session: _principal(session, of_key))
        elif self._tokens is not None and key.count(".") == 2 and not key.startswith(PREFIX):
            if self._outside is not None and not is_of_ours(key):
                principal = self._outside.principal(key, team)
            else:
                principal = self._principal_of_token(self._tokens, key, team)
        else:
            raise InvalidKey("This API key is not one of this gateway's: check that it was copied whole.")
        # What was read before a change must not be kept after it.
        if generation == self._generation:
            if len(self._known) >= CACHED_KEYS:
                # The oldest goes: tokens of an issuer come anew every few minutes, also while nothing changes.
                del self._known[next(iter(self._known))]
            self._known[digest] = principal
        return principal

    def _principal_of_token(self, tokens: Tokens, token: str, team: str | None) -> Principal:
        claims = tokens.claims(token)
        person = self.person(claims["sub"], claims[FAMILY_CLAIM])
        return Principal(
            key_id=person.id,
            name=person.email,
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            team_id=calling_team(self._database, person, team),
            user_id=person.id,
        )


def _principal(session: Session, digest: str) -> Principal | None:
    """The key's principal; None where it has ended in one of the ways that nothing brings back by itself."""
    row = session.scalar(
        select(ApiKeyRecord).where(or_(ApiKeyRecord.digest == digest, ApiKeyRecord.previous_digest == digest))
    )
    if row is None:
        raise InvalidKey("This API key does not exist: it may be of another database of this gateway.")
    if (principal := _holder(session, row)) is None:
        return None
    if row.digest != digest and row.previous_until is not None:
        # The one before the last rotation is good for the overlap.
        return replace(principal, expires_at=min(row.expires_at or row.previous_until, row.previous_until))
    return principal


def _owner(session: Session, key_id: str, team_id: str) -> Principal | None:
    """Whoever calls are booked on under this id."""
    row = session.get(ApiKeyRecord, key_id)
    if row is not None:
        return _holder(session, row)
    person = caller_for(session, key_id, team_id)
    return None if person is None else Principal(person.id, person.email, team_id=team_id, user_id=person.id)


def _holder(session: Session, row: ApiKeyRecord) -> Principal | None:
    """A key as it is; None where it was revoked, or belongs to nobody any more who may call models."""
    team = session.get(TeamRecord, row.team_id)
    if row.revoked_at or team is None or team.archived_at:
        return None
    if row.user_id is not None and caller_for(session, row.user_id, row.team_id) is None:
        return None
    return Principal(
        row.id,
        row.name,
        None if row.models is None else frozenset(row.models),
        row.expires_at,
        team_id=row.team_id,
        user_id=row.user_id,
        paths=None if row.paths is None else tuple(row.paths),
        networks=None if row.networks is None else tuple(ip_network(one) for one in row.networks),
        tags=tuple(tag.lower() for tag in row.tags or ()),  # as budgets have them, however old the key is
        priority="batch" if row.priority == "batch" else "interactive",
    )


def _person(session: Session, user_id: str, family_id: str) -> Person | None:
    family, user = session.get(RefreshTokenRecord, family_id), session.get(UserRecord, user_id)
    if family is None or user is None or family.user_id != user_id or family.ended_at is not None:
        return None
    return person_of(session, user) if is_good(user, family.created_at) else None
