"""The server's secrets: given by settings, or made and kept in the home."""

import hmac
import os
import secrets
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidSetting
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.store.records import ServerSecretRecord

SHORTEST = 32
FILE = "secret.key"


def load_secret_keys(settings: Settings) -> tuple[str, ...]:
    """The secrets, newest first; one is made at the first start, mode 0600. InvalidSetting says what is missing."""
    if any(len(key) < SHORTEST for key in settings.previous_secret_keys):
        name = "TOLLHOUSE_PREVIOUS_SECRET_KEYS"
        raise InvalidSetting(f"Each of {name} must have {SHORTEST} characters or more.", param=name)
    return tuple(dict.fromkeys([*_current(settings), *settings.previous_secret_keys]))


def _current(settings: Settings) -> list[str]:
    if settings.secret_key:
        if len(settings.secret_key) < SHORTEST:
            raise InvalidSetting(
                f"TOLLHOUSE_SECRET_KEY must have {SHORTEST} characters or more.", param="TOLLHOUSE_SECRET_KEY"
            )
        return [settings.secret_key]
    if not settings.embedded_database:
        raise InvalidSetting(
            "TOLLHOUSE_SECRET_KEY must be set when TOLLHOUSE_DATABASE_URL is: all hosts share it, and it unseals "
            "the provider keys in the database. Make one with `openssl rand -hex 32`.",
            param="TOLLHOUSE_SECRET_KEY",
        )
    path = settings.home / FILE
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path)
        keys = path.read_text().split()
    except UnicodeDecodeError:
        keys = []
    except OSError as error:
        raise InvalidSetting(
            f"The secret key {path} cannot be used ({error.strerror}): check the permissions and the space there."
        ) from error
    if not keys or any(len(key) < SHORTEST for key in keys):
        raise InvalidSetting(f"The secret key in {path} is damaged: put its backup in its place.")
    return keys


def is_lost(settings: Settings) -> bool:
    """Whether there is no key: it is the first start, or the key is gone."""
    return not settings.secret_key and not (settings.home / FILE).exists()


def confirm_not_lost(database: Database, settings: Settings) -> None:
    """Raise InvalidSetting when the database was used with a key and there is none.

    Whoever puts the old one back would have to overwrite one that is made in its place.
    """
    # The file is looked for last: two first starts at once may both find none, and one writes its fingerprint
    # after its file while the other asks.
    with database.read() as session:
        used = session.scalar(select(ServerSecretRecord.fingerprint).limit(1)) is not None
    if used and is_lost(settings):
        raise _another_key()


def confirm_secret_keys(database: Database, keys: Iterable[str]) -> None:
    """Note that the first of them is in use from here on. Raises InvalidSetting unless the one that was in use last is
    among them, or none was.

    A key that was lost is made anew at the next start; with that one, every API key would be refused and every
    provider key unreadable, and those made since would be void once the old one is back.
    """
    fingerprints = [fingerprint_of(key) for key in keys]
    newest = _newest_known(database)
    if newest and newest not in fingerprints:
        raise _another_key()
    if newest != fingerprints[0]:
        with database.write() as session:
            note_secret(session, fingerprints[0], database.now(session))


def note_secret(session: Session, fingerprint: str, now: datetime) -> ServerSecretRecord:
    """That the secret is in use, since now where that is news. In the caller's transaction."""
    row = session.get(ServerSecretRecord, fingerprint)
    if row is None:
        row = ServerSecretRecord(fingerprint=fingerprint, known_since=now)
        session.add(row)
    elif row.forgotten_at is not None:
        row.known_since, row.forgotten_at = now, None
    return row


def fingerprint_of(key: str) -> str:
    """What a secret is known by, which tells nobody what it is."""
    return hmac.digest(key.encode(), b"tollhouse secret key fingerprint", "sha256").hex()


def _newest_known(database: Database) -> str | None:
    """The secret that was taken into use last, of those that are not forgotten."""
    known = select(ServerSecretRecord.fingerprint).where(ServerSecretRecord.forgotten_at.is_(None))
    with database.read() as session:
        return session.scalar(known.order_by(ServerSecretRecord.known_since.desc()).limit(1))


def _another_key() -> InvalidSetting:
    return InvalidSetting(
        "The secret key is not the one that this database was used with, so none of its API keys and provider "
        f"keys could be used: put back the file {FILE} of its home, or set TOLLHOUSE_SECRET_KEY to what it was.",
        param="TOLLHOUSE_SECRET_KEY",
    )


def _make(path: Path) -> None:
    """Write a new key, unless there is one. Whole or not at all: two first starts agree on one key."""
    if path.exists():
        return
    # Not the process id: in a container every start may have the same, and a killed one leaves its draft.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
