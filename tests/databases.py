"""Databases for tests: a fresh one of each kind, at the newest schema."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.servers.postgres import PostgresServer
from tollhouse.store.database import Database
from tollhouse.store.schema import Schema

KINDS = ("sqlite", "postgresql")
_templates: dict[int, str] = {}


@contextmanager
def fresh_database_url(kind: str, folder: Path, server: PostgresServer | None) -> Iterator[str]:
    """The URL of a database that nobody else uses; PostgreSQL's is dropped at the end."""
    if kind == "sqlite":
        (folder / "test.db").write_bytes(_empty_sqlite())
        yield f"sqlite:///{folder / 'test.db'}"
        return
    assert server is not None
    if id(server) not in _templates:
        _templates[id(server)] = server.create_database()
        migrate(_templates[id(server)])
    url = server.create_database(template=_templates[id(server)])
    yield url
    server.drop_database(url)


@cache
def _empty_sqlite() -> bytes:
    """A file at the newest schema: to migrate anew takes longer than most tests."""
    with tempfile.TemporaryDirectory(prefix="tollhouse-") as folder:
        file = Path(folder) / "empty.db"
        migrate(f"sqlite:///{file}")
        assert [one.name for one in Path(folder).iterdir()] == [file.name], "what is in its log would be lost"
        return file.read_bytes()


def migrate(url: str) -> None:
    """Bring the database to the newest schema, and let go of it."""
    database = Database(url)
    Schema(database).upgrade()
    database.close()
