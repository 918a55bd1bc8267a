import csv
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.ledgers import order, settlement, writer_of
from tollhouse.cli.commands.usage import GROUPS
from tollhouse.domain.usage import Usage
from tollhouse.services.reports import usage as service
from tollhouse.store.records import LedgerRecord
from tollhouse.wiring import Services

USED = Usage(input=100, cache_read=20, cache_write=3, output=7)


def book(services: Services, key: str, model: str, moment: datetime, cost: int | None) -> None:
    writer = writer_of(services.database, on_version=lambda version: None)
    writer.start()
    one = order(key, 0)
    one = replace(one, attempt=replace(one.attempt, model=model))
    held = writer.hold(one)
    ended = settlement(held.order, 0)
    assert ended.entry is not None
    writer.settle(replace(ended, entry=replace(ended.entry, usage=USED, cost=cost)))
    assert writer.stop()
    with services.database.write() as session:
        rows = update(LedgerRecord).where(LedgerRecord.request_id == one.attempt.request_id)
        session.execute(rows.values(booked_at=moment))


@pytest.fixture
def key(tollhouse) -> str:
    """A key with two calls of `m` around midnight in Berlin, and one of `=cmd` without a price."""
    id = str(tollhouse.json("keys", "create", "--name", "x")["id"])
    services = tollhouse.services()
    book(services, id, "m", datetime(2026, 5, 1, 21, 30, tzinfo=UTC), 1_500_000)
    book(services, id, "m", datetime(2026, 5, 1, 22, 30, tzinfo=UTC), 1)
    book(services, id, "=cmd", datetime(2026, 5, 3, tzinfo=UTC), None)
    services.close()
    return id


def test_the_groups_are_those_of_the_report() -> None:
    assert GROUPS == service.GROUPS


def test_rows_add_up_what_was_used(tollhouse, key: str) -> None:
    unpriced, priced = tollhouse.json("usage", "--by", "model")
    assert priced == {
        "model": "m",
        "requests": 2,
        "input_tokens": 246,
        "cached_tokens": 40,
        "output_tokens": 14,
        "cost_usd": "0.001500001",
        "unpriced_requests": 0,
        "cached_requests": 0,
        "saved_usd": "0",
        "failed_requests": 0,
    }
    assert (unpriced["model"], unpriced["cost_usd"], unpriced["unpriced_requests"]) == ("=cmd", "0", 1)


def test_the_name_of_a_group_stands_under_the_group(tollhouse, key: str) -> None:
    assert [row["key"] for row in tollhouse.json("usage", "--by", "key")] == [key]
    assert [row["provider"] for row in tollhouse.json("usage", "--by", "provider")] == ["p"]


def test_days_are_the_time_zones_own(tollhouse, key: str) -> None:
    assert [row["day"] for row in tollhouse.json("usage", "--by", "day")] == ["2026-05-01", "2026-05-03"]
    berlin = tollhouse.json("usage", "--by", "day", "--timezone", "Europe/Berlin")
    assert [row["day"] for row in berlin] == ["2026-05-01", "2026-05-02", "2026-05-03"]


def test_a_moment_without_an_offset_is_of_the_time_zone(tollhouse, key: str) -> None:
    def requests(since: str, *more: str) -> int:
        return sum(row["requests"] for row in tollhouse.json("usage", "--since", since, *more))

    assert requests("2026-05-02") == 1
    assert requests("2026-05-02", "--timezone", "Europe/Berlin") == 2
    assert requests("2026-05-02T00:00+00:00", "--timezone", "Europe/Berlin") == 1
    assert requests("2026-05-01", "--until", "2026-05-02", "--timezone", "Europe/Berlin") == 1


def test_a_csv_file_has_the_rows_and_no_formulas(tollhouse, key: str, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    assert str(file) in tollhouse("usage", "--csv", str(file)).stdout
    with file.open(newline="") as lines:
        unpriced, priced = csv.DictReader(lines)
    assert unpriced["model"] == "'=cmd"
    assert (priced["model"], priced["input_tokens"], priced["cost_usd"]) == ("m", "246", "0.001500001")


def test_an_empty_csv_file_has_its_heads(tollhouse, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    assert tollhouse.json("usage", "--by", "day", "--csv", str(file)) == []
    assert file.read_text().startswith("day,requests,input_tokens,cached_tokens,output_tokens,cost_usd")


def test_a_csv_file_that_cannot_be_written_is_a_sentence(tollhouse, tmp_path: Path) -> None:
    assert "nowhere" in tollhouse.error("usage", "--csv", str(tmp_path / "nowhere" / "usage.csv"))


@pytest.mark.parametrize(
    "arguments", [("--by", "colour"), ("--since", "yesterday"), ("--timezone", "Mars/Base"), ("--until", "0001-01-01")]
)
def test_wrong_usage_ends_with_2(tollhouse, arguments: tuple[str, str]) -> None:
    tollhouse.error("usage", *arguments, status=2)


def test_people_read_a_table(tollhouse, key: str) -> None:
    head, *rows = tollhouse("usage").stdout.splitlines()
    assert head.split()[0] == "MODEL"
    assert [row.split()[0] for row in rows] == ["=cmd", "m"]
