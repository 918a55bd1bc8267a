"""Real servers and gateways that a test may break. Whatever it did, all of it runs again, or is gone, afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.client import number_anew
from tests.faults.figures import FIGURES
from tests.faults.gateway import Gateway
from tests.faults.servers import BreakablePostgres, BreakableValkey
from tests.faults.upstream import Upstream
from tests.servers.valkey import ValkeyServer


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("measured")
        for figure in FIGURES:
            terminalreporter.write_line(figure)


MakeGateway = Callable[..., Gateway]


@pytest.fixture(scope="session")
def lasting_postgres(servers_folder: Path) -> Iterator[BreakablePostgres]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_DATABASE_URL", raising=False)
        server = BreakablePostgres(servers_folder / "breakable-pg")
    yield server
    server.go_on()
    server.stop()


@pytest.fixture
def postgres(lasting_postgres: BreakablePostgres) -> Iterator[BreakablePostgres]:
    """A PostgreSQL to break."""
    lasting_postgres.revive()
    yield lasting_postgres
    lasting_postgres.revive()


@pytest.fixture(scope="session")
def lasting_valkey(servers_folder: Path) -> Iterator[BreakableValkey]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_REDIS_URL", raising=False)
        server = BreakableValkey(servers_folder / "breakable-kv")
    yield server
    server.go_on()
    server.stop()


@pytest.fixture
def redis(lasting_valkey: BreakableValkey) -> Iterator[BreakableValkey]:
    """A Valkey to break."""
    lasting_valkey.revive()
    lasting_valkey.server.flush()
    yield lasting_valkey
    lasting_valkey.revive()


@pytest.fixture(scope="module", autouse=True)
def _calls_are_numbered_by_file() -> None:
    """No gateway outlives its file. Numbers of a whole run would be bodies of megabytes."""
    number_anew()


@contextmanager
def _gateways(folder: Path, valkey: ValkeyServer) -> Iterator[MakeGateway]:
    made: list[Gateway] = []

    def make(*, home: Path | None = None, redis_url: str = "", **options: Any) -> Gateway:
        home = home or folder / f"home{len(made)}"
        made.append(Gateway(home, Upstream(), redis_url or valkey.url, **options))
        return made[-1]

    yield make
    for gateway in made:
        gateway.stop()
        gateway.upstream.close()


@pytest.fixture
def make_gateway(valkey: ValkeyServer, tmp_path: Path) -> Iterator[MakeGateway]:
    """Makes a gateway of which nothing runs yet, on SQLite unless `database_url` says otherwise."""
    with _gateways(tmp_path, valkey) as make:
        yield make


@pytest.fixture(scope="module")
def make_lasting_gateway(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeGateway]:
    """The same, for one that all tests of a file break in turn."""
    with _gateways(tmp_path_factory.mktemp("lasting"), valkey) as make:
        yield make


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.faults)])
def either_database(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database of each kind; empty is SQLite in the home. PostgreSQL's leases take a while."""
    if request.param == "sqlite":
        return ""
    postgres: BreakablePostgres = request.getfixturevalue("postgres")
    return postgres.create_database()
