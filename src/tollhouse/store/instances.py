"""Process instances: who owns holds, and how it shows that it lives."""

import fcntl
import math
import os
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, update
from sqlalchemy.dialects import postgresql, sqlite

from tollhouse.domain.identifiers import new_id
from tollhouse.store.database import Database
from tollhouse.store.leases import Leases
from tollhouse.store.records import ProcessInstanceRecord

LEASE_SECONDS = 12.0
PREFIX = "ins"


class Life(Protocol):
    """How the instances of one database show that they live."""

    patience: float
    """Seconds for which nobody may be taken for dead after the database was away: so long do the living need."""
    renew_seconds: float

    def begin(self, id: str) -> None:
        """Before the instance holds anything."""

    def renew(self, connection: Connection, id: str) -> None:
        """Every `renew_seconds`, in a transaction."""

    def end(self, id: str) -> None:
        """The instance holds nothing any more. Raises what the database raises."""

    def living(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that live. Raises what the database raises."""

    def count(self) -> int:
        """How many instances live. Raises what the database or the disk raises."""


class LeaseRows:
    """A lease for each instance, by the database's time: for instances on many hosts."""

    patience = LEASE_SECONDS
    renew_seconds = 3.0

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    def begin(self, id: str) -> None:
        pass

    def renew(self, connection: Connection, id: str) -> None:
        self._leases.take_in(connection, id, id, LEASE_SECONDS)

    def end(self, id: str) -> None:
        self._leases.release(id, id)

    def living(self, ids: Iterable[str]) -> set[str]:
        return self._leases.held(ids, LEASE_SECONDS)

    def count(self) -> int:
        return self._leases.count(f"{PREFIX}_", LEASE_SECONDS)


class LockedFiles:
    """A locked file for each instance, beside the database: the kernel lets go of it when the process ends,
    and not before, however long the machine slept and however its clock was set.
    """

    patience = 0.0
    renew_seconds = math.inf

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def begin(self, id: str) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = os.open(self._folder / id, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._held[id] = file

    def renew(self, connection: Connection, id: str) -> None:
        pass

    def end(self, id: str) -> None:
        (self._folder / id).unlink(missing_ok=True)
        with suppress(KeyError):
            os.close(self._held.pop(id))

    def living(self, ids: Iterable[str]) -> set[str]:
        return {id for id in ids if self._lives(id)}

    def count(self) -> int:
        # Nothing is removed: a file may be one that a process is about to lock.
        try:
            return sum(_is_locked(path) for path in self._folder.iterdir())
        except FileNotFoundError:
            return 0

    def _lives(self, id: str) -> bool:
        path = self._folder / id
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            path.unlink(missing_ok=True)
            return False
        finally:
            os.close(file)


def _is_locked(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def count_living(database: Database) -> int:
    """How many processes show that they live. Raises what the database or the disk raises."""
    return life_of(database).count()


def life_of(database: Database) -> Life:
    """How instances of this database show that they live."""
    if database.file is not None:
        return LockedFiles(database.file.with_name(f"{database.file.name}-instances"))
    return LeaseRows(Leases(database))


class Instance:
    """This process, as an owner of holds. Made after the fork; `end` it when it holds nothing."""

    def __init__(self, database: Database, kind: str) -> None:
        self.id = new_id(PREFIX)
        self.kind = kind
        self._database = database
        self._life = life_of(database)
        self._enlisted = False
        self._renew_at = 0.0
        self._life.begin(self.id)

    @property
    def is_due(self) -> bool:
        """Whether it is time to show that it lives."""
        return time.monotonic() >= self._renew_at

    def show(self, connection: Connection) -> None:
        """Write down, in a transaction of its own, that it is there. Raises what the database raises."""
        with connection.begin():
            self._write(connection)
        self._enlisted = True
        self._renew_at = time.monotonic() + self._life.renew_seconds

    def end(self) -> None:
        """It has ended well, and holds nothing. Raises what the database raises."""
        with self._database.write() as session:
            row = update(ProcessInstanceRecord).where(ProcessInstanceRecord.id == self.id)
            session.execute(row.values(ended_at=self._database.now(session)))
        self._life.end(self.id)

    def _write(self, connection: Connection) -> None:
        if not self._enlisted:
            row = {
                "id": self.id,
                "kind": self.kind,
                "host": socket.gethostname()[:255],
                "pid": os.getpid(),
                "started_at": self._database.now(connection),
                "ended_at": None,
            }
            # It may be there: its commit may have gone through unacknowledged.
            dialect = sqlite if self._database.dialect == "sqlite" else postgresql
            connection.execute(dialect.insert(ProcessInstanceRecord).on_conflict_do_nothing(), row)
        else:
            # Changes nothing, and yet writes: a database on a full disk can still be read.
            touched = update(ProcessInstanceRecord).where(ProcessInstanceRecord.id == self.id)
            connection.execute(touched.values(pid=os.getpid()))
        self._life.renew(connection, self.id)
