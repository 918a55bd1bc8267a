"""Laws of budget periods: every moment is in exactly one, and one begins where the other ends."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.domain.periods import period_bounds

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # until 2019 its clocks skipped midnight in spring and repeated 23:00 in autumn
    "America/Santiago",
    "America/Havana",  # repeats the hour that begins at midnight
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour
    "Pacific/Chatham",
    "America/Nuuk",
]
FIRST, LAST = datetime(2015, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)


def changes(zone: str) -> list[datetime]:
    """About when the clocks of the zone change, within half a day."""
    place, step = ZoneInfo(zone), timedelta(hours=12)
    moments = [FIRST + step * n for n in range(int((LAST - FIRST) / step))]
    return [now for now in moments if now.astimezone(place).utcoffset() != (now - step).astimezone(place).utcoffset()]


CHANGES = [(zone, moment) for zone in ZONES for moment in changes(zone)]
NEAR_CHANGES = st.tuples(st.sampled_from(CHANGES), st.integers(-36 * 3600, 24 * 3600)).map(
    lambda drawn: (drawn[0][0], drawn[0][1] + timedelta(seconds=drawn[1]))
)
ANYWHEN = st.tuples(
    st.sampled_from(ZONES),
    st.integers(0, int((LAST - FIRST).total_seconds())).map(lambda n: FIRST + timedelta(seconds=n)),
)


@pytest.mark.parametrize("period", ["day", "week", "month"])
@settings(max_examples=300)
@given(where_and_when=NEAR_CHANGES | ANYWHEN)
def test_a_moment_is_inside_its_period_and_the_next_period_begins_where_it_ends(
    period: str, where_and_when: tuple[str, datetime]
) -> None:
    zone, now = where_and_when
    start, end = period_bounds(period, zone, now)
    assert end is not None
    assert start <= now < end
    assert period_bounds(period, zone, start) == (start, end)
    assert period_bounds(period, zone, end - timedelta(microseconds=1)) == (start, end)
    assert period_bounds(period, zone, end)[0] == end
    assert period_bounds(period, zone, start - timedelta(microseconds=1))[1] == start


@settings(max_examples=300)
@given(where_and_when=NEAR_CHANGES | ANYWHEN)
def test_a_day_begins_at_local_midnight_or_where_that_is_skipped_right_after(
    where_and_when: tuple[str, datetime],
) -> None:
    zone, now = where_and_when
    start, _ = period_bounds("day", zone, now)
    place = ZoneInfo(zone)
    local, before = start.astimezone(place), (start - timedelta(seconds=1)).astimezone(place)
    assert local.date() == now.astimezone(place).date()
    assert before.date() == local.date() - timedelta(days=1)
    assert (local.hour, local.minute) == (0, 0) or before.utcoffset() != local.utcoffset()
