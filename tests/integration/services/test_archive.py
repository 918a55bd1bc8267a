"""Rows that were moved to the archive: reports, the bill and budgets are what they were, whenever the move dies."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from tests.integration.services.conftest import utc
from tests.integration.services.test_replay import COST, PRICES
from tests.servers.s3 import S3Server, start_s3
from tests.usage_rows import by_hand, random_row
from tollhouse import crash_points
from tollhouse.domain.errors import ContentMissing, OutOfSpace, Unavailable
from tollhouse.domain.ports import Blobs, at_once
from tollhouse.services.money.budgets import Budgets
from tollhouse.services.reports.replay import Replay
from tollhouse.services.reports.roll_up import RollUp
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store import archiving as module
from tollhouse.store.archive import Archive, content_of
from tollhouse.store.archiving import Archiving
from tollhouse.store.database import Database
from tollhouse.store.local_blobs import LocalBlobs, NewFile
from tollhouse.store.records import ArchivedDayRecord, BudgetWindowRecord, LedgerRecord
from tollhouse.store.s3_blobs import S3Blobs
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


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = start_s3()
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, folder: Path) -> Blobs:
    if request.param == "folder":
        return LocalBlobs(folder, at_once)
    s3: S3Server = request.getfixturevalue("s3")
    return S3Blobs(s3.client, s3.bucket, f"ledgers/{uuid4().hex}")


@pytest.fixture
def archiving(database: Database, store: Blobs) -> Archiving:
    return Archiving(database, store)


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
    usage = UsageReport(Searches(database), Archive(lambda: nullcontext([archiving._store])))
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
    usage = UsageReport(Searches(database), Archive(lambda: nullcontext([archiving._store])))
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


def test_two_at_once_archive_each_day_once(database: Database, archiving: Archiving, rows: list[LedgerRecord]) -> None:
    RollUp(database).run()
    with ThreadPoolExecutor(2) as pool:
        days = [run.result() for run in [pool.submit(archiving.run, 2) for _ in range(2)]]
    assert sorted(day for run in days for day in run) == [(OLD + timedelta(days=day)).date() for day in range(6)]
    files = {*archiving._store.old(-60)}
    with database.read() as session:
        assert files == set(session.scalars(select(ArchivedDayRecord.file)))
        kept = session.scalar(select(func.sum(ArchivedDayRecord.rows))) or 0
    assert kept + left(database) == len(rows)


def test_a_disk_that_is_full_leaves_all_where_it_was(
    database: Database, folder: Path, rows: list[LedgerRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    RollUp(database).run()

    def full(self: NewFile) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NewFile, "_sync", full)
    with pytest.raises(OutOfSpace):
        Archiving(database, LocalBlobs(folder, at_once)).run(days=2)
    assert left(database) == len(rows)
    assert list(folder.iterdir()) == []


def test_a_file_that_is_not_what_was_written_counts_for_nothing(
    database: Database, archiving: Archiving, store: Blobs, rows: list[LedgerRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    RollUp(database).run()
    monkeypatch.setattr(module, "content_of", lambda store, file: content_of(store, file)[:-20])
    with pytest.raises(Unavailable, match="what was written"):
        archiving.run(days=2)
    assert left(database) == len(rows)
    assert [*store.old(-60)] == []


def test_files_that_count_for_nothing_go_and_what_is_not_the_archives_stays(
    database: Database, archiving: Archiving, store: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ledger-2026-01-01-dead.parquet", "of-somebody-else"):
        blob = store.create(name)
        blob.write(b"x")
        blob.keep()
        blob.close()
    assert archiving.run(days=2) == []
    assert len([*store.old(-60)]) == 2, "they are young"
    monkeypatch.setattr(module, "ORPHAN_SECONDS", -60)
    archiving.run(days=2)
    assert [*store.old(-60)] == ["of-somebody-else"]


def test_what_was_archived_before_there_was_a_bucket_is_read_where_it_is(
    database: Database, folder: Path, s3: S3Server, rows: list[LedgerRecord]
) -> None:
    old, new = LocalBlobs(folder, at_once), S3Blobs(s3.client, s3.bucket, uuid4().hex)
    RollUp(database).run()
    assert Archiving(database, old).run(days=5)
    assert Archiving(database, new).run(days=2)
    assert len([*old.old(-60)]) == len([*new.old(-60)]) == 3
    usage = UsageReport(Searches(database), Archive(lambda: nullcontext([new, old])))
    for report in reports(rows)[:12]:
        assert usage.by_all(**report) == by_hand(rows, **report), report


def test_the_bill_is_made_again_from_both(database: Database, archiving: Archiving, book: Any) -> None:
    book(OLD, **PRICES, cost=COST, request_id="req_1", outcome="process_died")
    nothing = dict.fromkeys(("input_tokens", "cache_read_tokens", "cache_write_tokens"), 0)
    book(NOW, **PRICES, **nothing, output_tokens=2, cost=6, request_id="req_1", kind="adjustment")
    book(NOW, **PRICES, cost=COST)
    RollUp(database).run()
    assert archiving.run(days=2)
    told = Replay(database, Archive(lambda: nullcontext([archiving._store]))).run()
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
    for file in archiving._store.old(-60):
        archiving._store.delete(file)
    usage = UsageReport(Searches(database), Archive(lambda: nullcontext([archiving._store])))
    assert usage.by("model") == UsageReport(Searches(database)).by("model"), "which the roll-up has"
    with pytest.raises(ContentMissing, match="must be shared"):
        usage.by_all(("key", "hour"))
