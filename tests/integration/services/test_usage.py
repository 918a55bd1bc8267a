"""What was used, added up; and the roll-up, which must not change a sum."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from tests.integration.services.conftest import utc
from tests.usage_rows import by_hand, random_row
from tollhouse.domain.errors import InvalidField
from tollhouse.services.reports.roll_up import SETTLE_MARGIN, RollUp
from tollhouse.services.reports.usage import GROUPS, UsageReport
from tollhouse.services.reports.usage_sums import UsageSums
from tollhouse.services.reports.usage_times import TIMES, grain
from tollhouse.store.database import Database
from tollhouse.store.records import DailyUsageRecord, RolledDayRecord
from tollhouse.store.searches import Searches


@pytest.fixture
def usage(database: Database) -> UsageReport:
    return UsageReport(Searches(database))


@pytest.fixture
def roll_up(database: Database) -> RollUp:
    return RollUp(database)


def costs(report: dict[str, UsageSums]) -> dict[str, int]:
    return {group: sums.cost for group, sums in report.items()}


def test_usage_is_added_up_by_each_group(usage: UsageReport, book: Callable[..., str]) -> None:
    book(utc(2026, 3, 1, 12), key_id="key_b", model="m1", provider="p1", cost=1)
    book(utc(2026, 3, 1, 13), key_id="key_a", model="m1", provider="p2", cost=20)
    book(utc(2026, 3, 2, 12), key_id="key_a", model="m2", provider="p2", cost=300)
    assert list(usage.by("key").items()) == [
        ("key_a", UsageSums(2, 20, 6, 4, 10, 320, 0)),
        ("key_b", UsageSums(1, 10, 3, 2, 5, 1, 0)),
    ]
    assert costs(usage.by("model")) == {"m1": 21, "m2": 300}
    assert costs(usage.by("provider")) == {"p1": 1, "p2": 320}
    assert costs(usage.by("day")) == {"2026-03-01": 21, "2026-03-02": 300}


def test_an_empty_ledger_has_no_usage(usage: UsageReport, roll_up: RollUp) -> None:
    assert roll_up.run() == []
    assert [usage.by(group) for group in GROUPS] == [{} for _ in GROUPS]


def test_since_counts_and_until_does_not(usage: UsageReport, book: Callable[..., str]) -> None:
    for hour, cost in ((9, 1), (10, 20), (11, 300)):
        book(utc(2026, 3, 1, hour), cost=cost)
    assert costs(usage.by("model", since=utc(2026, 3, 1, 10))) == {"m": 320}
    assert costs(usage.by("model", until=utc(2026, 3, 1, 11))) == {"m": 21}
    assert costs(usage.by("day", since=utc(2026, 3, 1, 10), until=utc(2026, 3, 1, 11))) == {"2026-03-01": 20}
    assert usage.by("model", since=utc(2026, 3, 2)) == {}


def test_calls_without_a_price_are_counted_and_cost_nothing(usage: UsageReport, book: Callable[..., str]) -> None:
    book(utc(2026, 3, 1), cost=None)
    book(utc(2026, 3, 1), cost=7)
    assert usage.by("model")["m"] == UsageSums(2, 20, 6, 4, 10, 7, 1)


def test_a_correction_changes_the_cost_and_is_no_request(usage: UsageReport, book: Callable[..., str]) -> None:
    book(utc(2026, 3, 1), request_id="req_1", cost=100)
    nothing = dict.fromkeys(("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"), 0)
    book(utc(2026, 3, 2), request_id="req_1", kind="adjustment", cost=-30, **nothing)
    assert usage.by("model")["m"] == UsageSums(1, 10, 3, 2, 5, 70, 0)


@pytest.mark.parametrize(
    ("zone", "moments"),
    [
        # The night in which clocks go forward: a day of 23 hours, from 23:00 to 22:00 UTC.
        (
            "Europe/Berlin",
            [utc(2026, 3, 28, 22, 59, 59), utc(2026, 3, 28, 23), utc(2026, 3, 29, 21, 59, 59), utc(2026, 3, 29, 22)],
        ),
        # And back: a day of 25 hours.
        (
            "Europe/Berlin",
            [
                utc(2026, 10, 24, 21, 59, 59),
                utc(2026, 10, 24, 22),
                utc(2026, 10, 25, 22, 59, 59),
                utc(2026, 10, 25, 23),
            ],
        ),
        # Where the clocks skip midnight, the day begins at one o'clock.
        (
            "America/Sao_Paulo",
            [utc(2018, 11, 4, 2, 59, 59), utc(2018, 11, 4, 3), utc(2018, 11, 5, 1, 59, 59), utc(2018, 11, 5, 2)],
        ),
    ],
    ids=["forward", "back", "no midnight"],
)
def test_days_of_a_time_zone_are_its_own_when_its_clocks_change(
    usage: UsageReport, roll_up: RollUp, book: Callable[..., str], zone: str, moments: list[datetime]
) -> None:
    for moment, cost in zip(moments, (1, 20, 300, 4000), strict=True):
        book(moment, cost=cost)
    if zone == "Europe/Berlin" and moments[0].month == 3:
        roll_up.run()  # rolled days are UTC's, and must not be mixed in
    assert list(costs(usage.by("day", timezone=zone)).values()) == [1, 320, 4000]


def test_a_local_day_is_cut_by_since_and_until(usage: UsageReport, book: Callable[..., str]) -> None:
    for hour, cost in ((22, 1), (23, 20)):
        book(utc(2026, 1, 1, hour), cost=cost)
    given: dict[str, Any] = {"since": utc(2026, 1, 1, 22), "until": utc(2026, 1, 1, 23, 30)}
    assert costs(usage.by("day", timezone="Europe/Berlin", **given)) == {"2026-01-01": 1, "2026-01-02": 20}


def test_what_cannot_be_grouped_by_is_refused(usage: UsageReport) -> None:
    with pytest.raises(InvalidField, match="key, user, team, model, provider, tag, day"):
        usage.by("colour")
    with pytest.raises(InvalidField, match="'Mars/Olympus' is not a time zone"):
        usage.by("day", timezone="Mars/Olympus")


def test_rolled_days_and_the_ledger_add_up_to_what_the_ledger_alone_does(
    database: Database, usage: UsageReport, roll_up: RollUp
) -> None:
    chance = random.Random(7)
    now = datetime.now(UTC)
    moments = [now - timedelta(seconds=chance.uniform(0, 6 * 86400)) for _ in range(150)]
    midnights = [utc(moment.year, moment.month, moment.day) for moment in moments[:10]]
    rows = [random_row(chance, moment) for moment in (*moments, *midnights)]
    with database.write() as session:
        session.add_all(rows)
    bounds = [(None, None), (moments[0], None), (None, moments[1]), (midnights[0], None), (None, midnights[1])]
    bounds += [sorted(moments[2:4]), sorted([midnights[2], moments[5]])]
    together = [("model", "day"), ("team", "model", "hour"), ("key", "tag"), ("tag", "month"), ("team", "end_user")]
    reports = [
        {"groups": groups, "since": since, "until": until, "timezone": zone}
        for groups in (*((group,) for group in GROUPS), *together)
        for since, until in bounds
        for zone in (("UTC", "America/New_York", "Asia/Kathmandu") if {*TIMES} & {*groups} else ("UTC",))
    ]
    for report in reports:
        assert usage.by_all(**report) == by_hand(rows, **report), report
    assert len(roll_up.run()) >= 5
    for report in reports:
        assert usage.by_all(**report) == by_hand(rows, **report), report


def test_each_hour_has_a_name_of_its_own_when_the_clocks_are_put_back(
    usage: UsageReport, book: Callable[..., str]
) -> None:
    for hour in (0, 1):
        book(utc(2026, 10, 25, hour, 30))
    assert [*usage.by("hour", timezone="Europe/Berlin")] == ["2026-10-25T02:00+01:00", "2026-10-25T02:00+02:00"]


@pytest.mark.parametrize(("zone", "minutes"), [("Europe/Berlin", 60), ("Asia/Kolkata", 30), ("Asia/Kathmandu", 15)])
def test_no_hour_of_a_zone_is_cut_in_two(zone: str, minutes: int) -> None:
    assert grain(ZoneInfo(zone)) == minutes


def test_days_are_rolled_in_order_once_and_with_the_empty_ones_between(
    database: Database, roll_up: RollUp, book: Callable[..., str]
) -> None:
    today = datetime.now(UTC).date()
    book(_noon(today - timedelta(days=4)))
    book(_noon(today - timedelta(days=2)))
    book(datetime.now(UTC))
    days = roll_up.run()
    assert days[:3] == [today - timedelta(days=back) for back in (4, 3, 2)]
    assert days == sorted(days)
    assert today not in days
    assert roll_up.run() == []
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(DailyUsageRecord)) == 2


@pytest.mark.parametrize(("past_margin", "rolled"), [(timedelta(seconds=-1), False), (timedelta(0), True)])
def test_a_day_is_over_a_margin_after_its_midnight(
    database: Database,
    roll_up: RollUp,
    book: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    past_margin: timedelta,
    rolled: bool,
) -> None:
    book(utc(2026, 3, 1, 12))
    monkeypatch.setattr(database, "now", lambda session: utc(2026, 3, 2) + SETTLE_MARGIN + past_margin)
    assert roll_up.run() == ([date(2026, 3, 1)] if rolled else [])


def test_two_roll_ups_at_once_add_each_day_once(
    database: Database, usage: UsageReport, book: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).date()
    for back in range(1, 6):
        book(_noon(today - timedelta(days=back)), cost=10**back)
    before = usage.by("model")
    together = Barrier(2)
    write = database.write

    def write_together() -> Any:
        together.wait(5)  # both have found the day due before either writes it
        return write()

    monkeypatch.setattr(database, "write", write_together)
    with ThreadPoolExecutor(2) as pool:
        for run in [pool.submit(RollUp(database)._roll, today - timedelta(days=1)) for _ in range(2)]:
            run.result()
    monkeypatch.undo()
    with ThreadPoolExecutor(4) as pool:
        for run in [pool.submit(RollUp(database).run) for _ in range(4)]:
            run.result()
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(DailyUsageRecord)) == 1
        days = session.scalars(select(RolledDayRecord.day)).all()
    assert len(days) == len(set(days)) == 1
    assert usage.by("model") == before


def _noon(day: date) -> datetime:
    return utc(day.year, day.month, day.day, 12)
