"""What was used, added up; and the roll-up, which must not change a sum."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.integration.services.conftest import utc
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.tags import joined
from tollhouse.services.roll_up import SETTLE_MARGIN, RollUp
from tollhouse.services.usage import GROUPS, UsageReport, UsageSums
from tollhouse.store.database import Database
from tollhouse.store.records import DailyUsageRecord, LedgerRecord, RolledDayRecord
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
    rows = [_random_row(chance, moment) for moment in (*moments, *midnights)]
    with database.write() as session:
        session.add_all(rows)
    bounds = [None, *chance.sample(moments, 2), *chance.sample(midnights, 2)]
    reports = [
        {"group": group, "since": since, "until": until, "timezone": zone}
        for group in GROUPS
        for since in bounds
        for until in bounds
        for zone in (("UTC", "America/New_York") if group == "day" else ("UTC",))
    ]
    for report in reports:
        assert usage.by(**report) == _by_hand(rows, **report), report
    assert len(roll_up.run()) >= 5
    for report in reports:
        assert usage.by(**report) == _by_hand(rows, **report), report


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


def _random_row(chance: random.Random, moment: datetime) -> LedgerRecord:
    return LedgerRecord(
        id=new_id("led"),
        kind=chance.choice(["call", "call", "call", "adjustment"]),
        request_id=new_id("req"),
        attempt=1,
        booked_at=moment,
        started_at=moment,
        key_id=chance.choice("ab"),
        team_id=chance.choice("tu"),
        user_id=chance.choice([None, "v", "w"]),
        tags=joined(chance.choice([(), ("x",), ("x", "y")])),
        end_user=chance.choice([None, "e", "f"]),
        model=chance.choice("mno"),
        provider=chance.choice("pq"),
        upstream_model="m",
        format="chat",
        streamed=False,
        status=200,
        outcome="ok",
        attempts=1,
        input_tokens=chance.randrange(1000),
        cache_read_tokens=chance.randrange(1000),
        cache_write_tokens=chance.randrange(1000),
        output_tokens=chance.randrange(1000),
        reasoning_tokens=0,
        estimated=False,
        cost=chance.choice([None, chance.randrange(-5, 10**12)]),
        saved=chance.choice([None, None, chance.randrange(10**12)]),
        latency_us=1,
    )


def _by_hand(
    rows: list[LedgerRecord], group: str, since: datetime | None, until: datetime | None, timezone: str
) -> dict[str, UsageSums]:
    from zoneinfo import ZoneInfo

    sums: dict[str, UsageSums] = {}
    for row in rows:
        if (since and row.booked_at < since) or (until and row.booked_at >= until):
            continue
        day = row.booked_at.astimezone(ZoneInfo(timezone)).date().isoformat()
        names = {
            "key": [row.key_id],
            "user": [row.user_id or ""],
            "team": [row.team_id],
            "model": [row.model],
            "provider": [row.provider],
            "tag": row.tags.strip(",").split(","),
            "day": [day],
            "end_user": [row.end_user or ""],
        }
        for name in names[group]:
            sums.setdefault(name, UsageSums()).add(
                [
                    int(row.kind == "call"),
                    row.input_tokens,
                    row.cache_read_tokens,
                    row.cache_write_tokens,
                    row.output_tokens,
                    row.cost or 0,
                    int(row.cost is None),
                    int(row.saved is not None),
                    row.saved or 0,
                ]
            )
    return dict(sorted(sums.items()))
