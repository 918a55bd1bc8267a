"""Fixtures that all tests share. A server starts when a test first asks for it, and stays for the session."""

import gc
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import KINDS, fresh_database_url
from tests.servers.postgres import PostgresServer, start_postgres
from tests.servers.valkey import ValkeyServer, start_valkey
from tollhouse.store.database import Database

# How fast examples come is a fact of the machine: what is measured is in bench/.
settings.register_profile("tollhouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tollhouse")


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: a collector that walks through them stops each process for seconds."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A lone surrogate that a test logged would end the process that tries to send its report as UTF-8."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A folder with a short path, which accounts other than the tests' own may pass through."""
    with tempfile.TemporaryDirectory(prefix="tollhouse-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        path = Path(folder)
        path.chmod(0o711)
        yield path


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[PostgresServer]:
    server = start_postgres(servers_folder / "postgres")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey(servers_folder: Path) -> Iterator[ValkeyServer]:
    server = start_valkey(servers_folder / "valkey")
    yield server
    server.stop()


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database at the newest schema: the test runs once on SQLite, once on PostgreSQL."""
    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None
    with fresh_database_url(request.param, tmp_path, server) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()
