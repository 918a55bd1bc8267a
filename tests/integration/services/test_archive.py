"""Rows that were moved to the archive: reports, the bill and budgets are what they were, whenever the move dies."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.integration.services.conftest import utc
from tests.integration.services.test_replay import COST, PRICES
from tests.usage_rows import by_hand, random_row
from tollhouse import crash_points
from tollhouse.domain.errors import ContentMissing, Unavailable
from tollhouse.services.money.budgets import Budgets
from tollhouse.services.reports.replay import Replay
from tollhouse.services.reports.roll_up import RollUp
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store import archiving as module
from tollhouse.store.archive import Archive
from tollhouse.store.archiving import Archiving
from tollhouse.store.database import Database
from tollhouse.store.records import ArchivedDayRecord, BudgetWindowRecord, LedgerRecord
from tollhouse.store.searches import Searches

NOW = datetime.now(UTC)
TODAY = utc(NOW.year, NOW.month, NOW.day)
OLD = TODAY - timedelta(days=8)


class Died(BaseException):
    pass


@pytest.fixture(autouse=True)
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_AT_ONCE", 7)
    monkeypatch.setattr(module, "DELETED_AT_ONCE", 3)


@pytest.fixture
def rows(database: Database) -> list[LedgerRecord]:
    chance = random.Random(11)
    made = [random_row(chance, OLD + timedelta(seconds=chance.uniform(0, 8 * 86400))) for _ in range(80)]
    made += [random_row(chance, OLD + timedelta(days=day)) for day in range(8)]
    for row in made:
        row.end_user = None
    with database.write() as session:
        session.add_all(made)
    return made


@pytest.fixture
def archiving(database: Database, tmp_path: Path) -> Archiving:
    return Archiving(database, tmp_path / "archive")


def left(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(LedgerRecord)) or 0


def reports(rows: list[LedgerRecord]) -> list[dict[str, Any]]:
    moment = rows[3].booked_at
    bounds = [
        (None, None),
        (OLD + timedelta(hours=30, minutes=7), None),
        (None, moment),
        (OLD, OLD + timedelta(days=2)),
    ]
    together = [("model",), ("key", "tag"), ("model", "day"), ("key", "day"), ("user", "hour"), ("tag", "month")]
    return [
        {"groups": groups, "since": since, "until": until, "timezone": zone}
        for groups in together
        for since, until in bounds
        for zone in ("UTC", "Asia/Kolkata", "Europe/Berlin")
    ]


def test_reports_are_the_same_whether_rows_are_archived_or_not(
    database: Database, archiving: Archiving, rows: list[LedgerRecord]
) -> None:
    usage = UsageReport(Searches(database), Archive(archiving._folder))
    RollUp(database).run()
    assert len(archiving.run(days=2)) == 6
    assert left(database) == sum(row.booked_at >= OLD + timedelta(days=6) for row in rows)
    for report in reports(rows):
        assert usage.by_all(**report) == by_hand(rows, **report), report
    assert archiving.run(days=2) == []


def test_nothing_is_archived_that_is_not_rolled_up_or_not_old_enough(
    database: Database, archiving: Archiving, rows: list[LedgerRecord]
) -> None:
    assert archiving.run(days=2) == []
    RollUp(database).run()
    assert archiving.run(days=40) == []
    assert left(database) == len(rows)


@pytest.mark.parametrize("point", ["archived", "archive counts", "deleting"])
def test_whenever_it_dies_no_row_is_lost_and_none_is_there_twice(
    database: Database, archiving: Archiving, rows: list[LedgerRecord], point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = UsageReport(Searches(database), Archive(archiving._folder))
    RollUp(database).run()
    report: dict[str, Any] = {"groups": ("key", "day"), "since": None, "until": None, "timezone": "Asia/Kolkata"}

    def reach(at: str) -> None:
        if at == point:
            raise Died

    monkeypatch.setattr(crash_points, "reach", reach)
    if point == "deleting":
        calls = []
        write = database.write

        def dying() -> Any:
            calls.append(1)
            if len(calls) == 4:
                raise Died
            return write()

        monkeypatch.setattr(database, "write", dying)
    with pytest.raises(Died):
        archiving.run(days=2)
    monkeypatch.undo()
    assert usage.by_all(**report) == by_hand(rows, **report)
    archiving.run(days=2)
    assert usage.by_all(**report) == by_hand(rows, **report)
    with database.read() as session:
        kept = session.scalar(select(func.sum(ArchivedDayRecord.rows))) or 0
    assert kept + left(database) == len(rows)


def test_two_at_once_archive_each_day_once(
    database: Database, archiving: Archiving, rows: list[LedgerRecord], tmp_path: Path
) -> None:
    RollUp(database).run()
    with ThreadPoolExecutor(2) as pool:
        days = [run.result() for run in [pool.submit(archiving.run, 2) for _ in range(2)]]
    assert sorted(day for run in days for day in run) == [(OLD + timedelta(days=day)).date() for day in range(6)]
    files = {file.name for file in (tmp_path / "archive").iterdir()}
    with database.read() as session:
        assert files == set(session.scalars(select(ArchivedDayRecord.file)))
        kept = session.scalar(select(func.sum(ArchivedDayRecord.rows))) or 0
    assert kept + left(database) == len(rows)


def test_a_disk_that_is_full_leaves_all_where_it_was(
    database: Database, archiving: Archiving, rows: list[LedgerRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    RollUp(database).run()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        archiving.run(days=2)
    assert left(database) == len(rows)
    assert list(archiving._folder.iterdir()) == []


def test_the_bill_is_made_again_from_both(database: Database, archiving: Archiving, book: Any) -> None:
    book(OLD, **PRICES, cost=COST, request_id="req_1", outcome="process_died")
    nothing = dict.fromkeys(("input_tokens", "cache_read_tokens", "cache_write_tokens"), 0)
    book(NOW, **PRICES, **nothing, output_tokens=2, cost=6, request_id="req_1", kind="adjustment")
    book(NOW, **PRICES, cost=COST)
    RollUp(database).run()
    assert archiving.run(days=2)
    told = Replay(database, Archive(archiving._folder)).run()
    assert (told.attempts, told.booked, told.agrees) == (2, 2 * COST + 6, True)


def test_a_new_budget_of_all_time_starts_from_both(database: Database, archiving: Archiving, book: Any) -> None:
    book(OLD, cost=5, model="m")
    book(OLD, cost=70, model="other")
    book(NOW, cost=900, model="m")
    RollUp(database).run()
    assert archiving.run(days=2)
    Budgets(database).set(("organisation", "all"), 10**9, "total")
    with database.read() as session:
        assert session.scalars(select(BudgetWindowRecord.spent)).all() == [975]


def test_a_file_that_is_gone_is_told_and_not_taken_for_nothing(
    database: Database, archiving: Archiving, rows: list[LedgerRecord]
) -> None:
    RollUp(database).run()
    archiving.run(days=2)
    for file in archiving._folder.iterdir():
        file.unlink()
    usage = UsageReport(Searches(database), Archive(archiving._folder))
    assert usage.by("model") == UsageReport(Searches(database)).by("model"), "which the roll-up has"
    with pytest.raises(ContentMissing, match="must be shared"):
        usage.by_all(("key", "hour"))
