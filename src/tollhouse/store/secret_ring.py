"""The server's secrets in use: with the newest everything is made, with any of them what was made before is good."""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tollhouse.domain.errors import Conflict
from tollhouse.settings import Settings
from tollhouse.store.secret_key import FILE, load_secret_keys

Follower = Callable[..., None]
"""Takes all secrets, newest first."""


class SecretRing:
    """Read from the file of the home, newest line first, or from settings. `refresh` reads a file that was changed;
    what comes from settings stays as it is until the process is started anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.home / FILE
        self._followers: list[Follower] = []
        self.secrets = load_secret_keys(settings)
        self._read = self._identity()

    @property
    def in_file(self) -> bool:
        """Whether the secrets are this home's to change, and not those of a setting."""
        return not self._settings.secret_key

    def followed_by(self, follower: Follower) -> None:
        """Tell it of every change from now on."""
        self._followers.append(follower)

    def refresh(self) -> None:
        """Read the file again where it has changed. Raises InvalidSetting; the secrets stay then."""
        if not self.in_file or (identity := self._identity()) == self._read:
            return
        self._use(load_secret_keys(self._settings))
        self._read = identity

    def add(self) -> None:
        """Make a new secret, which is the newest from here on. It is on the disk when this returns. Raises Conflict."""
        with self._changing():
            self._write([secrets.token_hex(32), *self._lines()])

    def drop_older(self) -> None:
        """Keep the newest secret alone. Raises Conflict."""
        with self._changing():
            self._write(self._lines()[:1])

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Of two who change the file at once, the second sees what the first wrote."""
        if not self.in_file:
            raise Conflict("The secret comes from TOLLHOUSE_SECRET_KEY, so it is changed there.")
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            os.fsync(folder)
        finally:
            os.close(folder)
        self.refresh()

    def _lines(self) -> list[str]:
        # What the settings add to the file stays theirs.
        load_secret_keys(self._settings)
        return self._path.read_text().split()

    def _write(self, lines: list[str]) -> None:
        draft = self._path.with_name(f"{FILE}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w") as file:
                file.write("\n".join(lines) + "\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)

    def _use(self, found: tuple[str, ...]) -> None:
        self.secrets = found
        for follower in self._followers:
            follower(*found)

    def _identity(self) -> tuple[int, int, int] | None:
        return _identity(self._path) if self.in_file else None


def _identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
