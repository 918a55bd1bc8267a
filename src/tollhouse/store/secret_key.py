"""The server's secret: given by a setting, or made once and kept in the home."""

import hmac
import os
import secrets
from pathlib import Path

from sqlalchemy import select

from tollhouse.domain.errors import InvalidSetting
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.store.records import ServerSecretRecord

SHORTEST = 32
FILE = "secret.key"


def load_secret_key(settings: Settings) -> str:
    """The secret key; made at the first start, mode 0600. InvalidSetting says what is missing."""
    if settings.secret_key:
        if len(settings.secret_key) < SHORTEST:
            raise InvalidSetting(
                f"TOLLHOUSE_SECRET_KEY must have {SHORTEST} characters or more.", param="TOLLHOUSE_SECRET_KEY"
            )
        return settings.secret_key
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
        key = path.read_text().strip()
    except UnicodeDecodeError:
        key = ""
    except OSError as error:
        raise InvalidSetting(
            f"The secret key {path} cannot be used ({error.strerror}): check the permissions and the space there."
        ) from error
    if len(key) < SHORTEST:
        raise InvalidSetting(f"The secret key in {path} is damaged: put its backup in its place.")
    return key


def is_lost(settings: Settings) -> bool:
    """Whether there is no key: it is the first start, or the key is gone."""
    return not settings.secret_key and not (settings.home / FILE).exists()


def confirm_not_lost(database: Database, settings: Settings) -> None:
    """Raise InvalidSetting when the database was used with a key and there is none.

    Whoever puts the old one back would have to overwrite one that is made in its place.
    """
    # The file is looked for last: two first starts at once may both find none, and one writes its fingerprint
    # after its file while the other asks.
    if _fingerprints(database) and is_lost(settings):
        raise _another_key()


def confirm_secret_key(database: Database, key: str) -> None:
    """Raise InvalidSetting unless the database was used with this key before, or with none.

    A key that was lost is made anew at the next start; with that one, every API key would be refused and every
    provider key unreadable, and those made since would be void once the old one is back.
    """
    fingerprint = hmac.digest(key.encode(), b"tollhouse secret key fingerprint", "sha256").hex()
    known = _fingerprints(database)
    if fingerprint in known:
        return
    if known:
        raise _another_key()
    with database.write() as session:
        session.merge(ServerSecretRecord(fingerprint=fingerprint, known_since=database.now(session)))


def _fingerprints(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(ServerSecretRecord.fingerprint)))


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
