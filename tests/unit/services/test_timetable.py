"""When schedules are due, on the days on which clocks change too."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tollhouse.domain.errors import InvalidField
from tollhouse.services.schedules.timetable import Timetable

BERLIN = "Europe/Berlin"


def due(cron: str, zone: str, start: str, times: int) -> list[str]:
    """Each time as it is told from the one before, in local time."""
    timetable, moment = Timetable(cron, zone), datetime.fromisoformat(start).replace(tzinfo=UTC)
    found = []
    for _ in range(times):
        following = timetable.after(moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z"))
    return found


def test_a_time_that_the_clocks_skip_comes_once_when_they_have() -> None:
    assert due("30 2 * * *", BERLIN, "2026-03-28T00:00", 3) == ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]


def test_a_time_that_comes_twice_is_due_the_first_time_alone() -> None:
    assert due("30 2 * * *", BERLIN, "2026-10-24T00:00", 3) == ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"]


def test_what_is_due_every_hour_is_due_in_both_of_those() -> None:
    assert due("30 * * * *", BERLIN, "2026-10-25T00:00", 3) == ["25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100"]


def test_a_year_of_days_has_each_day_once() -> None:
    timetable, moment, seen = Timetable("15 2 * * *", "America/New_York"), datetime(2026, 1, 1, tzinfo=UTC), []
    for _ in range(365):
        moment = timetable.after(moment) or moment
        seen.append(moment.astimezone(ZoneInfo("America/New_York")).date())
    assert all(later - earlier == timedelta(days=1) for earlier, later in itertools.pairwise(seen))


def test_names_of_days_and_white_space_are_taken() -> None:
    assert due("  0 9  * * MON-FRI ", "UTC", "2026-11-21T00:00", 2) == ["23 09:00 +0000", "24 09:00 +0000"]


@pytest.mark.parametrize(
    "cron", ["", "x", "* * * *", "* * * * * *", "60 * * * *", "0 24 * * *", "0 0 31 2 *", "@daily"]
)
def test_what_is_no_timetable_or_never_due_is_refused(cron: str) -> None:
    with pytest.raises(InvalidField) as refused:
        Timetable(cron, "UTC")
    assert refused.value.param == "cron"
