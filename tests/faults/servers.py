"""Real servers that a test may stop, hang and kill, by their process ids."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests.databases import migrate
from tests.servers import process
from tests.servers.postgres import PostgresServer, start_postgres
from tests.servers.valkey import ValkeyServer, start_valkey


def tree_of(pid: int) -> list[int]:
    """A process and all that it started, parents first. PostgreSQL's processes each lead a session of their own."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def signal_all(pids: list[int], signum: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


class Breakable:
    """A server that a test may break, and that comes back where it was."""

    last_signal: signal.Signals
    """What an operator stops it with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hung: list[int] = []
        self.child = self.first_start()

    def first_start(self) -> "subprocess.Popen[bytes]":
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def stop(self) -> None:
        process.stop(self.child, self.last_signal)

    def kill(self) -> None:
        signal_all(tree_of(self.child.pid), signal.SIGKILL)
        self.child.wait()

    def hang(self) -> None:
        self._hung = tree_of(self.child.pid)
        signal_all(self._hung, signal.SIGSTOP)

    def go_on(self) -> None:
        signal_all(self._hung, signal.SIGCONT)
        self._hung = []

    def start_again(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            # The same command, in the same place: also how it is made to end with the tests.
            self.child = subprocess.Popen(
                self.child.args,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process.wait_until_ready(self.child, self.folder, self.answers)

    def revive(self) -> None:
        """Whatever a test did to it, it runs."""
        self.go_on()
        if self.child.poll() is not None:
            self.start_again()


class BreakableValkey(Breakable):
    last_signal = signal.SIGTERM
    server: ValkeyServer

    def first_start(self) -> "subprocess.Popen[bytes]":
        self.server = start_valkey(self.folder)
        return _child_of(self.server)

    @property
    def url(self) -> str:
        return self.server.url

    def answers(self) -> bool:
        return self.server.answers()


class BreakablePostgres(Breakable):
    last_signal = signal.SIGINT
    server: PostgresServer

    def first_start(self) -> "subprocess.Popen[bytes]":
        self.server = start_postgres(self.folder)
        self._template = self.server.create_database()
        migrate(self._template)
        # The tests' own servers lose what they said was committed; this one is to be killed.
        url = make_url(self._template).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = on")
        return _child_of(self.server)

    def create_database(self) -> str:
        """A fresh database at the newest schema."""
        return self.server.create_database(template=self._template)

    def answers(self) -> bool:
        return self.server.answers()


def _child_of(server: PostgresServer | ValkeyServer) -> "subprocess.Popen[bytes]":
    assert server._child is not None, "a server of someone else's cannot be broken"
    return server._child
