"""How long reports take over many rows: `python -m bench.reports --rows 10000000 [--days 90] [--only sqlite]`.

Rows are made by the database itself, of 20 teams with 10 keys each, every key calling two of twelve models; they are
rolled up as the scheduler does it, all but the present day. Needs some 600 bytes of disk a row, and index.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import text

from tests.databases import fresh_database_url
from tests.servers.postgres import start_postgres
from tollhouse.services.reports.reports import ReportOrder, Reports
from tollhouse.services.reports.response_times import ResponseTimes
from tollhouse.services.reports.roll_up import RollUp
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store.archive import NO_ARCHIVE
from tollhouse.store.database import Database
from tollhouse.store.searches import Searches

AT_ONCE = 200_000
TIMES = 5

_COLUMNS = (
    "id, kind, request_id, attempt, booked_at, started_at, team_id, user_id, tags, end_user, key_id, model, provider, "
    "upstream_model, format, streamed, status, outcome, attempts, input_tokens, cache_read_tokens, cache_write_tokens, "
    "output_tokens, reasoning_tokens, units, estimated, input_price, cache_read_price, cache_write_price, "
    "output_price, cost, latency_us, first_token_us"
)
_VALUES = """
    'led_' || {id}, 'call', 'req_' || {id}, 1, {moment}, {moment}, 'team_' || (k / 10), NULL,
    CASE WHEN k % 3 = 0 THEN ',nightly,' ELSE '' END, NULL, 'key_' || k, 'model_' || m, 'provider_' || (m % 4),
    'model_' || m, 'chat', {true}, CASE WHEN h % 50 = 0 THEN 502 ELSE 200 END,
    CASE WHEN h % 50 = 0 THEN 'upstream_error' ELSE 'ok' END, 1, h % 2000, h % 500, 0, h % 700, 0, 0, {false},
    150000000, 75000000, 150000000, 600000000, h % 2000 * 150 + h % 500 * 75 + h % 700 * 600,
    100000 + h % 5000000, 50000 + h % 400000
"""
_SERIES = """
    SELECT i, h, k, (k + h / 200 % 2 * 5) % 12 AS m
    FROM (SELECT i, h, h % 200 AS k FROM (SELECT i, i * 2654435761 % 4294967296 AS h FROM {series}) AS one) AS two
"""


def fill(database: Database, rows: int, days: int) -> None:
    """Rows over so many days up to now, as evenly as they come."""
    now = datetime.now(UTC)
    begin = (now - timedelta(days=days)).timestamp()
    step = days * 86_400 / rows
    sqlite = database.dialect == "sqlite"
    for first in range(0, rows, AT_ONCE):
        last = min(first + AT_ONCE, rows) - 1
        if sqlite:
            numbers = f"SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}"
            series = f"(WITH RECURSIVE n(i) AS ({numbers}) SELECT i FROM n)"
            moment = f"strftime('%Y-%m-%d %H:%M:%f', {begin!r} + i * {step!r}, 'unixepoch') || '000'"
            id, true, false = "printf('%026d', i)", "1", "0"
        else:
            series = f"(SELECT i::bigint AS i FROM generate_series({first}, {last}) AS i) AS s"
            moment, id, true, false = (
                f"to_timestamp({begin!r} + i * {step!r})",
                "lpad(i::text, 26, '0')",
                "true",
                "false",
            )
        values = _VALUES.format(id=id, moment=moment, true=true, false=false)
        selected = f"SELECT {values} FROM ({_SERIES.format(series=series)}) AS made"
        with database.write() as session:
            session.execute(text(f"INSERT INTO ledger ({_COLUMNS}) {selected}"))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, the middle ones of several: by the clock, and of this process's processor, which others do not slow."""
    took, used = [], []
    for _ in range(TIMES):
        began, begun = time.perf_counter(), time.process_time()
        work()
        took.append(time.perf_counter() - began)
        used.append(time.process_time() - begun)
    return sorted(took)[TIMES // 2], sorted(used)[TIMES // 2]


@contextmanager
def databases(only: str | None) -> Iterator[list[tuple[str, str]]]:
    """Fresh ones, by kind."""
    with tempfile.TemporaryDirectory(prefix="tollhouse-", dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o711)
        server = start_postgres(path / "postgres") if only != "sqlite" else None
        try:
            kinds = [only] if only else ["sqlite", "postgresql"]
            with fresh_database_url("sqlite", path, None) as file:
                if server is None:
                    yield [("sqlite", file)]
                    return
                with fresh_database_url("postgresql", path, server) as url:
                    yield [(kind, file if kind == "sqlite" else url) for kind in kinds]
        finally:
            if server is not None:
                server.stop()


def measure(kind: str, url: str, rows: int, days: int) -> None:
    database = Database(url)
    try:
        began = time.perf_counter()
        fill(database, rows, days)
        print(f"{kind}: {rows} rows over {days} days were made in {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        rolled = len(RollUp(database).run())
        print(f"{kind}: {rolled} days were rolled up in {time.perf_counter() - began:.0f} s", flush=True)
        searches = Searches(database)
        reports = Reports(database, UsageReport(searches), ResponseTimes(searches, NO_ARCHIVE))
        for name, order in (
            ("by model and day, UTC", ReportOrder("usage", ("model", "day"))),
            *(
                (f"by model and day, {zone}", ReportOrder("usage", ("model", "day"), timezone=zone))
                for zone in ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu")
            ),
            ("by key and day, UTC", ReportOrder("usage", ("key", "day"))),
            ("chargeback of last month, Europe/Berlin", ReportOrder("chargeback", timezone="Europe/Berlin")),
            ("anomalies of today, UTC", ReportOrder("anomalies")),
        ):
            took, used = timed(partial(reports.run, order))
            print(f"{kind}: {name}: {took * 1000:.0f} ms, {used * 1000:.0f} ms of a processor", flush=True)
    finally:
        database.close()


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rows", type=int, default=10_000_000)
    given.add_argument("--days", type=int, default=90)
    given.add_argument("--only", choices=("sqlite", "postgresql"))
    options = given.parse_args()
    with databases(options.only) as found:
        for kind, url in found:
            measure(kind, url, options.rows, options.days)


if __name__ == "__main__":
    main()
