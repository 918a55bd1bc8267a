"""Days of other zones than UTC, made of sums by UTC day: they are what the ledger's rows add up to."""

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from sqlalchemy import delete, select, update

from tests.integration.services.conftest import utc
from tests.usage_rows import by_hand, random_row
from tollhouse.services.reports.local_days import CUTS
from tollhouse.services.reports.roll_up import RollUp
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store.database import Database
from tollhouse.store.records import LedgerRecord, RolledDayRecord
from tollhouse.store.searches import Searches

DAY = timedelta(days=1)
CHANGES = [
    ("Europe/Berlin", date(2025, 3, 30)),
    ("Europe/Berlin", date(2025, 10, 26)),
    ("Europe/London", date(2025, 3, 30)),
    ("America/New_York", date(2025, 11, 2)),
    ("America/St_Johns", date(2025, 3, 9)),
    ("America/St_Johns", date(2025, 11, 2)),
    ("America/Sao_Paulo", date(2018, 11, 4)),  # where the clocks skip midnight
    ("Asia/Kolkata", date(2025, 6, 1)),
    ("Asia/Kathmandu", date(2025, 6, 1)),
    ("Australia/Lord_Howe", date(2025, 4, 6)),  # whose clocks change by half an hour
    ("Pacific/Chatham", date(2025, 4, 6)),
    ("Pacific/Auckland", date(2025, 9, 28)),  # twelve hours from UTC, then thirteen
    ("Pacific/Apia", date(2011, 12, 30)),  # which that year did not have
    ("Asia/Pyongyang", date(2018, 5, 4)),  # of whose half hours nothing is rolled up
]


@pytest.fixture
def usage(database: Database) -> UsageReport:
    return UsageReport(Searches(database))


def fill(database: Database, zone: str, day: date) -> list[LedgerRecord]:
    """Rows of the nine days around this one, among them the first and last moments of its days."""
    chance, noon = random.Random(f"{zone} {day}"), utc(day.year, day.month, day.day, 12)
    moments = [noon + chance.uniform(-4.5, 4.5) * DAY for _ in range(60)]
    for number in range(-3, 4):
        midnight = datetime.combine(day + number * DAY, time(), ZoneInfo(zone)).astimezone(UTC)
        moments += [
            midnight,
            midnight - timedelta(microseconds=1),
            midnight.replace(minute=0),
            midnight.replace(hour=0),
        ]
    rows = [random_row(chance, moment) for moment in moments]
    with database.write() as session:
        session.add_all(rows)
    return rows


def roll(database: Database, day: date) -> None:
    """The seven days around this one."""
    for number in range(-3, 4):
        RollUp(database)._roll(day + number * DAY)


@pytest.mark.parametrize(("zone", "day"), CHANGES, ids=str)
def test_days_and_months_of_a_zone_are_what_its_rows_add_up_to(
    database: Database, usage: UsageReport, zone: str, day: date
) -> None:
    rows = fill(database, zone, day)
    local = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    bounds: list[tuple[datetime | None, datetime | None]] = [(None, None), (local, local + 3 * DAY)]
    bounds += [(local - 2 * DAY, None), (None, local + timedelta(hours=31, minutes=7)), (local, local + DAY / 2)]
    asked: list[dict[str, Any]] = [
        {"groups": groups, "since": since, "until": until, "timezone": zone}
        for groups in (("model", "day"), ("day",), ("team", "month"), ("month", "provider", "day"), ("model", "hour"))
        for since, until in bounds
    ]
    roll(database, day)
    for one in asked:
        assert usage.by_all(**one) == by_hand(rows, **one), one
    mine = [row for row in rows if row.team_id == "t"]
    for one in asked[: len(bounds)]:
        assert usage.by_all(**one, team_id="t") == by_hand(mine, **one), one


@pytest.mark.parametrize(("zone", "day"), [CHANGES[at] for at in (1, 4, 7, 9, 12)], ids=str)
def test_of_days_that_are_rolled_up_no_row_of_the_ledger_is_read(
    database: Database, usage: UsageReport, zone: str, day: date
) -> None:
    rows = fill(database, zone, day)
    roll(database, day)
    first, until = (datetime.combine(day + number * DAY, time(), UTC) for number in (-3, 4))
    rows = [row for row in rows if first <= row.booked_at < until]
    with database.write() as session:
        session.execute(delete(LedgerRecord))
    asked: dict[str, Any] = {"groups": ("model", "day"), "since": None, "until": None, "timezone": zone}
    assert usage.by_all(**asked) == by_hand(rows, **asked)


def test_what_was_rolled_up_without_parts_of_hours_is_read_from_the_ledger(
    database: Database, usage: UsageReport
) -> None:
    """As are days that were archived by a version that had none."""
    zone, day = "Asia/Kolkata", date(2025, 6, 1)
    rows = fill(database, zone, day)
    roll(database, day)
    with database.write() as session:
        session.execute(update(RolledDayRecord).where(RolledDayRecord.day < day).values(parts=False))
        assert session.scalars(select(RolledDayRecord.day).where(RolledDayRecord.parts)).all()
    asked: dict[str, Any] = {"groups": ("model", "day"), "since": None, "until": None, "timezone": zone}
    assert usage.by_all(**asked) == by_hand(rows, **asked)


def test_parts_of_hours_are_rolled_up_for_every_zone_that_there_is() -> None:
    """Where this fails, the world has another zone: add its minute to CUTS, with a migration that rolls up anew."""
    days = [date(2025 + month // 12, month % 12 + 1, 15) for month in range(48)]
    begins = {
        (begin.hour, begin.minute)
        for zone in available_timezones()
        for day in days
        if (begin := datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)).minute
    }
    assert begins <= {*CUTS}
