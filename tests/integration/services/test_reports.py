"""Reports over a real ledger: their sums are the ledger's, and each sees what they may."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.integration.services.conftest import utc
from tollhouse.domain.actor import SHELL, Actor
from tollhouse.domain.errors import Forbidden, InvalidField, NotFound
from tollhouse.domain.ports import at_once
from tollhouse.domain.rights import Role
from tollhouse.services.people.teams import Teams
from tollhouse.services.reports.reports import REPORTS, ReportOrder, Reports
from tollhouse.services.reports.response_times import ResponseTimes
from tollhouse.services.reports.roll_up import RollUp
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store.archive import Archive
from tollhouse.store.archiving import Archiving
from tollhouse.store.database import Database
from tollhouse.store.local_blobs import LocalBlobs
from tollhouse.store.records import LedgerRecord
from tollhouse.store.searches import Searches

Book = Callable[..., str]


@pytest.fixture
def reports(database: Database, tmp_path: Path) -> Reports:
    searches, archive = Searches(database), Archive(lambda: nullcontext([LocalBlobs(tmp_path / "archive", at_once)]))
    return Reports(database, UsageReport(searches, archive), ResponseTimes(searches, archive))


def rows(reports: Reports, report: str, **given: Any) -> list[dict[str, Any]]:
    return rows_by(reports, report, (), **given)


def rows_by(reports: Reports, report: str, groups: tuple[str, ...], **given: Any) -> list[dict[str, Any]]:
    return reports.run(ReportOrder(report, groups, **given), by=SHELL).documents()


def test_usage_has_unit_costs_and_shares(reports: Reports, book: Book) -> None:
    book(utc(2026, 3, 1), cost=300)
    book(utc(2026, 3, 1), cost=100, status=500, outcome="upstream_error")
    (row,) = rows_by(reports, "usage", ("model", "day"))
    assert (row["model"], row["day"], row["requests"], row["cost_usd"]) == ("m", "2026-03-01", 2, "0.0000004")
    assert (row["failed_requests"], row["failed_share"], row["cached_share"]) == (1, 0.5, 0.2)
    assert row["usd_per_request"] == "0.0000002"
    assert row["usd_per_million_tokens"] == "0.01", "400 nano-dollars for 40 tokens"


@pytest.mark.parametrize("archived", [False, True])
def test_percentiles_are_times_that_calls_had(
    database: Database, reports: Reports, book: Book, tmp_path: Path, archived: bool
) -> None:
    old = datetime.now(UTC).replace(hour=12) - timedelta(days=6)
    for number in range(1, 101):
        at = old if number % 2 else datetime.now(UTC)
        book(at, latency_us=number * 1000, first_token_us=number * 100 if number <= 50 else None)
    book(old, latency_us=10**9, status=500, outcome="upstream_error")
    book(old, latency_us=1, saved=5)
    if archived:
        RollUp(database).run()
        assert Archiving(database, LocalBlobs(tmp_path / "archive", at_once)).run(days=2)
    (row,) = rows(reports, "latency")
    assert row["calls"] == 100
    assert [row[f"total_p{percent}_ms"] for percent in (50, 90, 95, 99)] == [50, 90, 95, 99]
    assert [row[f"first_token_p{percent}_ms"] for percent in (50, 99)] == [2.5, 5]


def test_the_chargeback_is_the_ledger_to_the_nano_dollar(database: Database, reports: Reports, book: Book) -> None:
    teams = [Teams(database).create(name).id for name in ("=red", "blue")]
    first, following = (
        utc(2026, 2, 28, 23),
        utc(2026, 3, 31, 22),
    )  # midnights of Berlin, where the clocks change between
    for number in range(40):
        moment = first + (following - first) * number / 40
        book(moment, team_id=teams[number % 2], cost=10**15 + number, model=f"m{number % 3}")
    book(first - timedelta(microseconds=1), team_id=teams[0], cost=7)
    book(following, team_id=teams[0], cost=9)
    RollUp(database).run()
    with database.read() as session:
        of_month = select(func.sum(LedgerRecord.cost)).where(
            LedgerRecord.booked_at >= first, LedgerRecord.booked_at < following
        )
        booked = session.scalar(of_month)
    table = reports.run(ReportOrder("chargeback", ("model",), timezone="Europe/Berlin", month="2026-03"), by=SHELL)
    cost = [column.name for column in table.columns].index("cost_usd")
    *each, total = table.rows
    assert total[:2] == ("2026-03", "total")
    assert total[cost] == sum(row[cost] for row in each) == booked
    assert {row[3] for row in each} == {"=red", "blue"}
    with pytest.raises(InvalidField, match="paid twice"):
        rows_by(reports, "chargeback", ("tag",))
    with pytest.raises(InvalidField, match="month"):
        rows(reports, "chargeback", month="2026-13")


def test_a_key_at_five_times_its_usual_is_an_anomaly_today(database: Database, reports: Reports, book: Book) -> None:
    now = datetime.now(UTC)
    for back in range(1, 8):
        for key in ("key_odd", "key_even"):
            book(now - timedelta(days=back), key_id=key, cost=100)
    book(now, key_id="key_odd", cost=500)
    book(now, key_id="key_even", cost=100)
    for rolled in (False, True):
        if rolled:
            RollUp(database).run()
        (row,) = rows(reports, "anomalies")
        assert (row["key"], row["cost_usd"], row["usual_usd"], row["times"]) == ("key_odd", "0.0000005", "0.0000001", 5)


def test_a_forecast_is_at_least_what_was_spent(reports: Reports, book: Book) -> None:
    now = datetime.now(UTC)
    book(now, cost=100)
    book(now - timedelta(days=1), cost=100)
    (row,) = rows(reports, "forecast", timezone="Asia/Tokyo")
    assert row["team"] == "team_default"
    assert float(row["forecast_usd"]) >= float(row["spent_usd"]) > 0


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_shows_the_teams_whose_money_somebody_may_see(reports: Reports, book: Book, report: str) -> None:
    now = datetime.now(UTC)
    for team in ("team_mine", "team_theirs"):
        for back in (0, 1, 2, 3, 4, 40):
            book(now - timedelta(days=back), team_id=team, key_id=f"key_{team}", cost=100 if back else 10**6)
    mine = Actor("person", "usr_1", teams={"team_mine": Role.BILLING_VIEWER})
    by = () if report in ("forecast", "chargeback") else ("key",) if report == "anomalies" else ("team",)
    told = str(reports.run(ReportOrder(report, by), by=mine).rows)
    assert "theirs" not in told
    assert report == "chargeback" or "mine" in told
    with pytest.raises(NotFound):
        reports.run(ReportOrder(report, team_id="team_theirs"), by=mine)
    with pytest.raises(Forbidden):
        reports.run(ReportOrder(report), by=Actor("person", "usr_2"))


@pytest.mark.parametrize(
    ("order", "named"),
    [
        (ReportOrder("gossip"), "report"),
        (ReportOrder("usage", ("colour",)), "by"),
        (ReportOrder("usage", ("model", "model")), "by"),
        (ReportOrder("usage", ("model", "team", "key", "user", "day")), "by"),
        (ReportOrder("latency", ("day",)), "by"),
        (ReportOrder("forecast", ("hour",)), "by"),
        (ReportOrder("anomalies", factor=0.5), "factor"),
        (ReportOrder("usage", timezone="Mars/Base"), "timezone"),
    ],
)
def test_what_is_wrong_with_an_order_is_named(reports: Reports, order: ReportOrder, named: str) -> None:
    with pytest.raises(InvalidField) as raised:
        reports.run(order)
    assert raised.value.param == named
