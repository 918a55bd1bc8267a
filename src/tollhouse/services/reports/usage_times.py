"""Hours, days and months of a time zone, and the pieces of time that each lies in as a whole."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from math import gcd
from zoneinfo import ZoneInfo

TIMES = ("hour", "day", "month")
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@cache
def grain(place: ZoneInfo) -> int:
    """Minutes: the longest piece of UTC's clock, from the full hour on, that no hour of this zone cuts in two.

    Most clocks are whole hours from UTC, some half ones or quarters; none of 2000 to 2040 is anything else.
    """
    found = 60
    for year in range(2000, 2041):
        for month in range(1, 13):
            offset = datetime(year, month, 1, tzinfo=UTC).astimezone(place).utcoffset() or timedelta()
            found = gcd(found, int(offset.total_seconds() // 60))
    return found


def named(moment: datetime, time: str, place: ZoneInfo) -> str:
    """The hour, day or month of this zone that a moment is in. Of the two hours that a clock shows when it is put back
    each has its own name, by its offset.
    """
    local = moment.astimezone(place)
    if time == "hour":
        return f"{local:%Y-%m-%dT%H}:00{local.replace(microsecond=0).isoformat()[19:]}"
    return local.strftime("%Y-%m" if time == "month" else "%Y-%m-%d")


def midnight(day: date) -> datetime:
    """In UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def whole(
    first: datetime, last: datetime, since: datetime | None, until: datetime | None, *, hours: bool
) -> tuple[datetime, datetime] | None:
    """What of [since, until) lies in [first, last), in whole UTC days, or hours; None where that is nothing."""
    step = _HOUR if hours else _DAY
    begin = first if since is None or since <= first else _floor(since - timedelta(microseconds=1), hours) + step
    end = last if until is None or until >= last else _floor(until, hours)
    return (begin, end) if begin < end else None


def gaps(
    covered: tuple[datetime, datetime] | None, since: datetime | None, until: datetime | None
) -> list[tuple[datetime | None, datetime | None]]:
    """What of [since, until) is not in the part of it that is covered."""
    if covered is None:
        return [(since, until)]
    begin, end = covered
    before = [(since, begin)] if since is None or since < begin else []
    return [*before, *([(end, until)] if until is None or end < until else [])]


def _floor(moment: datetime, hours: bool) -> datetime:
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return moment if hours else moment.replace(hour=0)
