"""From a key to a principal."""

from datetime import UTC, datetime

from sqlalchemy import select

from tollhouse.domain.errors import ExpiredKey, InvalidKey, MissingKey, RevokedKey
from tollhouse.domain.principal import DEFAULT_TEAM, Principal
from tollhouse.services.key_mint import KeyMint
from tollhouse.store.database import Database
from tollhouse.store.records import ApiKeyRecord

CACHED_KEYS = 20_000


class Authentication:
    """Keys are looked up once and kept in memory, by their full digest, until anything changes in the database."""

    def __init__(self, database: Database, mint: KeyMint) -> None:
        self._database = database
        self._mint = mint
        self._known: dict[str, Principal | None] = {}
        self._generation = 0

    def principal(self, key: str | None) -> Principal:
        """The caller with this key. Raises MissingKey, InvalidKey, RevokedKey, ExpiredKey."""
        if not key:
            raise MissingKey(
                "No API key was given: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`. "
                "`tollhouse keys create --name NAME` makes one."
            )
        digest = self._mint.digest(key)
        try:
            principal = self._known[digest]
        except KeyError:
            principal = self._look_up(key, digest)
        if principal is None:
            raise RevokedKey("This API key was revoked: `tollhouse keys create --name NAME` makes another.")
        if principal.expires_at is not None and principal.expires_at <= datetime.now(UTC):
            raise ExpiredKey("This API key has expired: `tollhouse keys create --name NAME` makes another.")
        return principal

    def forget(self) -> None:
        """Look every key up anew: something changed."""
        self._generation += 1
        self._known = {}

    def _look_up(self, key: str, digest: str) -> Principal | None:
        if not self._mint.is_ours(key):
            raise InvalidKey("This API key is not one of this gateway's: check that it was copied whole.")
        generation = self._generation
        row = self._database.ask(
            lambda session: session.scalar(select(ApiKeyRecord).where(ApiKeyRecord.digest == digest))
        )
        if row is None:
            raise InvalidKey("This API key does not exist: it may be of another database of this gateway.")
        models = None if row.models is None else frozenset(row.models)
        principal = None if row.revoked_at else Principal(row.id, row.name, models, row.expires_at, DEFAULT_TEAM)
        # What was read before a change must not be kept after it.
        if generation == self._generation and len(self._known) < CACHED_KEYS:
            self._known[digest] = principal
        return principal
