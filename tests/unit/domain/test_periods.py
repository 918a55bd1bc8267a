"""Budget periods on days that are not like others."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tollhouse.domain.periods import BEGINNING, period_bounds, zone


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_day_is_as_long_as_its_clocks_make_it() -> None:
    spring, autumn = at("2026-03-29T12:00"), at("2026-10-25T12:00")
    assert period_bounds("day", "Europe/Berlin", spring) == (at("2026-03-28T23:00"), at("2026-03-29T22:00"))
    assert period_bounds("day", "Europe/Berlin", autumn) == (at("2026-10-24T22:00"), at("2026-10-25T23:00"))


def test_a_day_without_midnight_begins_at_its_first_moment() -> None:
    # On 4 November 2018 the clocks of São Paulo went from 00:00 to 01:00.
    bounds = period_bounds("day", "America/Sao_Paulo", at("2018-11-04T12:00"))
    assert bounds == (at("2018-11-04T03:00"), at("2018-11-05T02:00"))


def test_a_day_whose_midnight_comes_twice_begins_at_the_first() -> None:
    # On 1 November 2026 the clocks of Havana go from 01:00 back to 00:00.
    bounds = period_bounds("day", "America/Havana", at("2026-11-01T05:30"))
    assert bounds == (at("2026-11-01T04:00"), at("2026-11-02T05:00"))


def test_half_an_hour_counts_on_lord_howe() -> None:
    start, end = period_bounds("day", "Australia/Lord_Howe", at("2026-10-03T20:00"))
    assert end is not None
    assert end - start == timedelta(hours=23, minutes=30)


def test_a_week_starts_on_monday_also_over_the_turn_of_the_year() -> None:
    assert period_bounds("week", "UTC", at("2027-01-01T00:00")) == (at("2026-12-28T00:00"), at("2027-01-04T00:00"))


@pytest.mark.parametrize(("now", "end"), [("2028-02-29T23:59", "2028-03-01T00:00"), ("2026-12-31", "2027-01-01")])
def test_a_month_ends_where_the_next_begins(now: str, end: str) -> None:
    assert period_bounds("month", "UTC", at(now))[1] == at(end)


def test_the_zone_decides_which_day_a_moment_is_in_whatever_zone_it_is_written_in() -> None:
    now = at("2026-06-30T23:30")
    same = now.astimezone(timezone(timedelta(hours=-7)))
    assert period_bounds("month", "Asia/Tokyo", now)[0] == at("2026-06-30T15:00")
    assert period_bounds("month", "Asia/Tokyo", same) == period_bounds("month", "Asia/Tokyo", now)


def test_the_total_begins_with_time_and_never_ends() -> None:
    assert period_bounds("total", "UTC", at("2026-06-30")) == (BEGINNING, None)


@pytest.mark.parametrize("name", ["", "Mars/Base", "America", "../etc/passwd", "/etc/localtime", "a\0b", "x" * 5000])
def test_what_is_no_zone_is_said_to_be_none(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        zone(name)


def test_an_unknown_period_is_refused() -> None:
    with pytest.raises(ValueError, match="'year' is not one of day, week, month, total"):
        period_bounds("year", "UTC", at("2026-06-30"))
