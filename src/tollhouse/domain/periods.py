"""Budget periods in a named time zone, right on the days on which the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

PERIODS = ("day", "week", "month", "total")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def zone(name: str) -> ZoneInfo:
    """The zone of this IANA name; ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone, such as Europe/Berlin or UTC") from None


def period_bounds(period: str, timezone: str, now: datetime) -> tuple[datetime, datetime | None]:
    """When the period that holds `now` begins, and when the next one does (never, for "total"); UTC.

    A day starts at local midnight; where the clocks skip midnight, at the first moment after it.
    Weeks start on Monday.
    """
    if period == "total":
        return BEGINNING, None
    place = zone(timezone)
    today = now.astimezone(place).date()
    if period == "day":
        first, following = today, today + timedelta(days=1)
    elif period == "week":
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    elif period == "month":
        first = today.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
    else:
        raise ValueError(f"{period!r} is not one of {', '.join(PERIODS)}")

    def midnight(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=place).astimezone(UTC)

    return midnight(first), midnight(following)
