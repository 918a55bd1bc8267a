"""Tollhouse with its real defaults: authentication, three limits, four hard budgets that are held and booked, the
synced ledger, logs. Once without budgets and limits, once with traces of all calls and the log file, and once with what
is asked and answered kept: what these cost.
"""

import time

from bench.collector import Collector
from bench.contestants import Contestant, Surroundings
from bench.gateway import TEAM, Gateway
from bench.postgres import Postgres
from bench.processes import Failed
from bench.valkey import Valkey

SECRET_KEY = "a-secret-of-the-bench-0123456789abcdef"  # noqa: S105 - of a database that lives for minutes
SETTLED_SECONDS = 10.0
"""wrk leaves in the middle of its last calls, which are settled once that is noticed."""


class Tollhouse:
    """One web process. What it booked is compared with what was answered."""

    def __init__(
        self,
        label: str,
        gateway: Gateway,
        upstream_port: int,
        valkey: Valkey,
        beside: Postgres | Collector | None = None,
        *,
        guarded: bool = True,
    ) -> None:
        self.label = label
        self._gateway = gateway
        self._servers = [server for server in (valkey, beside) if server]
        self.databases = [server.child for server in self._servers]
        gateway.prepare(upstream_port, guarded=guarded)
        self.port = gateway.port
        self.headers = gateway.headers
        self.child = gateway.start_web()

    def audit(self, calls: int) -> None:
        deadline = time.monotonic() + SETTLED_SECONDS
        while float(held := self._gateway.held()) and time.monotonic() < deadline:
            time.sleep(0.2)
        if float(held):
            raise Failed(f"{self.label} still holds {held} USD, though no call is open.")
        booked = self._gateway.booked()
        if booked < calls:
            raise Failed(f"{self.label} answered {calls} calls and booked {booked}.")
        if dropped := self._gateway.metric("tollhouse_spans_dropped_total"):
            raise Failed(f"{self.label} dropped {dropped:.0f} spans.")
        if dropped := self._gateway.metric("tollhouse_log_lines_dropped_total"):
            raise Failed(f"{self.label} dropped {dropped:.0f} lines of its log.")
        if dropped := self._gateway.metric("tollhouse_request_notes_total", 'outcome="dropped"'):
            raise Failed(f"{self.label} dropped {dropped:.0f} payloads.")
        if by_share := self._gateway.metric("tollhouse_limits_by_share_total"):
            raise Failed(f"{self.label} decided {by_share:.0f} calls without Redis.")

    def stop(self) -> None:
        self.child.stop()
        for server in self._servers:
            server.stop()


def start_on_sqlite(given: Surroundings) -> Contestant:
    valkey = Valkey(given.folder / "sqlite-kv")
    gateway = Gateway(given.folder / "sqlite", given.source, TOLLHOUSE_REDIS_URL=valkey.url)
    return Tollhouse("Tollhouse on SQLite", gateway, given.upstream_port, valkey)


def start_unguarded(given: Surroundings) -> Contestant:
    valkey = Valkey(given.folder / "unguarded-kv")
    gateway = Gateway(given.folder / "unguarded", given.source, TOLLHOUSE_REDIS_URL=valkey.url)
    label = "Tollhouse on SQLite, without budgets and limits"
    return Tollhouse(label, gateway, given.upstream_port, valkey, guarded=False)


def start_observed(given: Surroundings) -> Contestant:
    valkey, collector = Valkey(given.folder / "observed-kv"), Collector(given.folder / "observed-traces")
    gateway = Gateway(
        given.folder / "observed",
        given.source,
        TOLLHOUSE_REDIS_URL=valkey.url,
        TOLLHOUSE_LOG_FILE=str(given.folder / "observed.log"),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    return Tollhouse(
        "Tollhouse on SQLite, all calls traced, with the log file", gateway, given.upstream_port, valkey, collector
    )


def start_keeping(given: Surroundings) -> Contestant:
    valkey = Valkey(given.folder / "keeping-kv")
    gateway = Gateway(given.folder / "keeping", given.source, TOLLHOUSE_REDIS_URL=valkey.url)
    kept = Tollhouse("Tollhouse on SQLite, payloads kept", gateway, given.upstream_port, valkey)
    gateway.command("teams", "payloads", TEAM, "--days", "1")
    return kept


def start_on_postgres(given: Surroundings) -> Contestant:
    postgres, valkey = Postgres(given.folder / "pg"), Valkey(given.folder / "pg-kv")
    gateway = Gateway(
        given.folder / "postgres",
        given.source,
        TOLLHOUSE_DATABASE_URL=postgres.url,
        TOLLHOUSE_REDIS_URL=valkey.url,
        TOLLHOUSE_SECRET_KEY=SECRET_KEY,
    )
    return Tollhouse(f"Tollhouse on PostgreSQL {postgres.version}", gateway, given.upstream_port, valkey, postgres)
