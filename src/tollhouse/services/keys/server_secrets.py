"""The server's secrets over time: a new one is made, what was sealed is sealed anew, an old one is forgotten.

Whatever order a crash leaves the file and the database in, every secret that something still needs is in the file:
a secret is there before anything is sealed with it, and leaves it after nothing is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from tollhouse import logs
from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import Conflict, InvalidSetting
from tollhouse.services.audit import note
from tollhouse.services.keys.mint import KeyMint, KeySeed
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import (
    IdempotencyRecord,
    PayloadRecord,
    ProviderKeyRecord,
    ProviderRecord,
    ServerSecretRecord,
    WebhookSecretRecord,
)
from tollhouse.store.secret_key import fingerprint_of, note_secret
from tollhouse.store.secret_ring import SecretRing
from tollhouse.store.vault import FernetVault

CHUNK = 200
"""Rows that one transaction seals anew, so that none holds the write lock for long."""
KNOWN_EVERYWHERE = timedelta(seconds=10)
"""After this every process that lives knows the newest secret, and none seals with another."""
ID_LENGTH = 12

_SEALED: Sequence[tuple[InstrumentedAttribute[str], InstrumentedAttribute[Any]]] = (
    (ProviderRecord.id, ProviderRecord.credential),
    (ProviderKeyRecord.id, ProviderKeyRecord.credential),
    (ServerSecretRecord.fingerprint, ServerSecretRecord.key_seed),
    (IdempotencyRecord.attempt, IdempotencyRecord.answer),
    (WebhookSecretRecord.id, WebhookSecretRecord.sealed),
    (PayloadRecord.request_id, PayloadRecord.data_key),
)
"""Every column that the vault has sealed, with its table's key: what is not here is lost when a secret is forgotten."""


@dataclass(frozen=True, slots=True)
class ServerSecret:
    """A secret that this database was used with. `at_hand` says whether this process has it."""

    id: str
    known_since: datetime
    newest: bool
    at_hand: bool
    forgotten_at: datetime | None


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many sealed values were sealed anew, and how many no secret at hand opens: these were left as they are."""

    rows: int = 0
    unreadable: int = 0


class ServerSecrets:
    """`ring` has the secrets; the vault and the mint are told when they change."""

    def __init__(self, database: Database, ring: SecretRing, vault: FernetVault, mint: KeyMint) -> None:
        self._database = database
        self._ring = ring
        self._vault = vault
        self._mint = mint

    def all(self) -> list[ServerSecret]:
        """Newest first."""
        at_hand = [fingerprint_of(secret) for secret in self._ring.secrets]
        with self._database.read() as session:
            rows = session.scalars(select(ServerSecretRecord).order_by(ServerSecretRecord.known_since.desc()))
            return [
                ServerSecret(
                    row.fingerprint[:ID_LENGTH],
                    row.known_since,
                    row.fingerprint == at_hand[0],
                    row.fingerprint in at_hand,
                    row.forgotten_at,
                )
                for row in rows
            ]

    def rotate(self, *, by: Actor) -> Resealed:
        """Make a new secret and seal all anew with it. What was made with the others stays good.

        Raises Conflict where the secrets come from settings. Cut short, it is ended by `reseal`.
        """
        self._ring.add()
        newest = fingerprint_of(self._ring.secrets[0])
        with self._database.write() as session:
            now = self._database.now(session)
            note_secret(session, newest, now)
            self._keep_seeds(session, now)
            note(session, by, "secrets.rotate", newest[:ID_LENGTH], at=now)
            announce(session)
        return self.reseal()

    def reseal(self) -> Resealed:
        """Seal with the newest secret whatever is sealed with another. Idempotent; may be cut short anywhere."""
        rows = unreadable = 0
        for id, sealed in _SEALED:
            last = ""
            while chunk := self._chunk(id, sealed, last):
                last = chunk[-1][0]
                fresh = {}
                for key, value in chunk:
                    if self._vault.is_current(value):
                        continue
                    try:
                        fresh[key, value] = self._vault.seal(self._vault.unseal(value))
                    except InvalidSetting:
                        unreadable += 1
                if fresh:
                    with self._database.write() as session:
                        for (key, value), anew in fresh.items():
                            # Unless somebody has changed it meanwhile.
                            session.execute(update(id.class_).where(id == key, sealed == value).values({sealed: anew}))
                    rows += len(fresh)
        return Resealed(rows, unreadable)

    def forget(self, *, by: Actor) -> Resealed:
        """Keep the newest secret alone. API keys stay good; tokens and links that were signed with another end.

        Raises Conflict where a process that runs may not know the newest yet.
        """
        newest = fingerprint_of(self._ring.secrets[0])
        with self._database.write() as session:
            now = self._database.now(session)
            if now - note_secret(session, newest, now).known_since < KNOWN_EVERYWHERE:
                raise Conflict(
                    f"The newest secret is in use for less than {KNOWN_EVERYWHERE.seconds} seconds: not every process "
                    "may know it. Try again in a moment."
                )
            self._keep_seeds(session, now)
        done = self.reseal()
        self.follow()
        if self._ring.in_file:
            self._ring.drop_older()
        with self._database.write() as session:
            now = self._database.now(session)
            older = ServerSecretRecord.fingerprint != newest, ServerSecretRecord.forgotten_at.is_(None)
            for row in session.scalars(select(ServerSecretRecord).where(*older)):
                row.forgotten_at = now
                note(session, by, "secrets.forget", row.fingerprint[:ID_LENGTH], at=now)
            announce(session)
        return done

    def follow(self) -> None:
        """Something changed: use what the file and the database have now. What cannot be read stays as it was."""
        # First what can fail: a secret must not go before what its keys are known by has come.
        with self._database.read() as session:
            sealed = list(
                session.scalars(select(ServerSecretRecord.key_seed).where(ServerSecretRecord.key_seed.is_not(None)))
            )
        try:
            self._ring.refresh()
        except InvalidSetting as error:
            logs.event("secrets_not_read", level=logs.ERROR, error=error.message)
        seeds = []
        for one in sealed:
            try:
                seeds.append(KeySeed.from_text(self._vault.unseal(one or "")))
            except InvalidSetting as error:
                logs.event("secrets_not_read", level=logs.ERROR, error=error.message)
        self._mint.recall(seeds)

    def _keep_seeds(self, session: Session, now: datetime) -> None:
        """What API keys of the older secrets are known by, sealed with the newest."""
        for secret in self._ring.secrets[1:]:
            row = note_secret(session, fingerprint_of(secret), now)
            if row.key_seed is None:
                row.key_seed = self._vault.seal(KeySeed.of(secret).to_text())

    def _chunk(
        self, id: InstrumentedAttribute[str], sealed: InstrumentedAttribute[Any], last: str
    ) -> list[tuple[str, str]]:
        with self._database.read() as session:
            found = session.execute(select(id, sealed).where(id > last, sealed.is_not(None)).order_by(id).limit(CHUNK))
            return [(key, value) for key, value in found]
