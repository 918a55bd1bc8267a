"""Services on a real database, with hosts that answer from memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from tests.ledgers import MINT
from tollhouse.domain.errors import UpstreamError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.routes import Host, HostKey
from tollhouse.providers.addresses import check_base_url
from tollhouse.providers.price_list import PublishedPrices
from tollhouse.providers.upstreams import HttpUpstreams
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.keys.keys import Keys
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.models.models import Models
from tollhouse.services.models.providers import Providers
from tollhouse.settings import load
from tollhouse.store.database import Database
from tollhouse.store.records import LedgerRecord
from tollhouse.store.vault import FernetVault

SECRET = "a secret for tests that is long enough"
VAULT = FernetVault(SECRET)


class Hosts(HttpUpstreams):
    """Hosts that list what they are told to, or fail as they are told to; asked about, never called."""

    def __init__(self) -> None:
        super().__init__(load({}))
        self.listing: Sequence[str] = ("one", "two")
        self.error: UpstreamError | None = None
        self.asked: list[Host] = []

    def list_models(self, host: Host, key: HostKey | None = None) -> Sequence[str]:
        self.asked.append(host)
        if self.error:
            raise self.error
        return self.listing


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database, MINT)


@pytest.fixture
def models(database: Database) -> Models:
    return Models(database)


@pytest.fixture
def providers(database: Database, hosts: Hosts) -> Providers:
    return Providers(database, VAULT, hosts, check_base_url)


@pytest.fixture
def host(providers: Providers) -> str:
    """The name of a provider."""
    return providers.add("host", "openai", "https://host.example/v1", credential="sk-upstream").name


@dataclass
class Process:
    """Another process of the same gateway: it has its own connections, and learns by polling."""

    database: Database
    authentication: Authentication
    catalogue: CatalogueReader
    changes: list[int] = field(default_factory=list)


@pytest.fixture
def start_process(database_url: str) -> Iterator[Callable[..., Process]]:
    """Start one; `secret` is what its vault unseals with."""
    with ExitStack() as stack:

        def start(secret: str = SECRET) -> Process:
            database = Database(database_url)
            stack.callback(database.close)
            authentication = Authentication(database, MINT)
            catalogue = CatalogueReader(database, FernetVault(secret), Hosts(), PublishedPrices(), "test")
            process = Process(database, authentication, catalogue)
            catalogue.on_change(authentication.forget)
            catalogue.on_change(lambda: process.changes.append(catalogue.current.version))
            catalogue.refresh()
            catalogue.start()
            stack.callback(catalogue.stop)
            return process

        yield start


@pytest.fixture
def book(database: Database) -> Callable[..., str]:
    """Put a row into the ledger, booked whenever the test wants; its id."""

    def insert(booked_at: datetime, **given: Any) -> str:
        values: dict[str, Any] = {
            "id": new_id("led"),
            "kind": "call",
            "request_id": new_id("req"),
            "attempt": 1,
            "booked_at": booked_at,
            "started_at": booked_at,
            "key_id": "key_a",
            "model": "m",
            "provider": "p",
            "upstream_model": "m",
            "format": "chat",
            "streamed": False,
            "status": 200,
            "outcome": "ok",
            "attempts": 1,
            "input_tokens": 10,
            "cache_read_tokens": 3,
            "cache_write_tokens": 2,
            "output_tokens": 5,
            "reasoning_tokens": 1,
            "estimated": False,
            "cost": 100,
            "latency_us": 1000,
        }
        row = LedgerRecord(**{**values, **given})
        with database.write() as session:
            session.add(row)
        return row.id

    return insert


@contextmanager
def away(database: Database) -> Iterator[None]:
    """Nobody can use the database inside this block."""
    if database.dialect == "sqlite":
        with database.write() as session:
            session.execute(text("ALTER TABLE change_counter RENAME TO change_counter_away"))
        yield
        with database.write() as session:
            session.execute(text("ALTER TABLE change_counter_away RENAME TO change_counter"))
        return
    url = make_url(database.url)
    maintenance = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database])
        yield
        connection.execute(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true')


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
