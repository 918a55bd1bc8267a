"""The times that reports are about, as people name them."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from tollhouse.domain.errors import InvalidField
from tollhouse.services.reports.usage import zone_named

PERIODS = ("today", "yesterday", "last_7_days", "last_week", "this_month", "last_month")
"""Of what is asked for again and again. Weeks start on Monday."""
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])\Z")


@dataclass(frozen=True, slots=True)
class Month:
    """`next` is the first day of the one after."""

    name: str
    first: date
    next: date


def month_named(name: str | None, now: datetime, timezone: str) -> Month:
    """The month of this name, as 2026-10; without one the month that is over. InvalidField names `month`."""
    if name is None:
        first = (now.astimezone(zone_named(timezone)).date().replace(day=1) - timedelta(days=1)).replace(day=1)
    elif found := _MONTH.match(name):
        first = date(int(found[1]), int(found[2]), 1)
    else:
        raise InvalidField("month: it must be a month such as 2026-10.", param="month")
    return Month(f"{first:%Y-%m}", first, (first + timedelta(days=32)).replace(day=1))


def period_named(name: str, now: datetime, timezone: str) -> tuple[datetime, datetime]:
    """From when to when it is, seen from `now`. InvalidField names `period`."""
    today = now.astimezone(zone_named(timezone)).date()
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    days = {
        "today": (today, today + timedelta(days=1)),
        "yesterday": (today - timedelta(days=1), today),
        "last_7_days": (today - timedelta(days=7), today),
        "last_week": (monday - timedelta(days=7), monday),
        "this_month": (first, (first + timedelta(days=32)).replace(day=1)),
        "last_month": ((first - timedelta(days=1)).replace(day=1), first),
    }.get(name)
    if days is None:
        raise InvalidField(f"period: it must be one of {', '.join(PERIODS)}.", param="period")
    return start_of(days[0], timezone), start_of(days[1], timezone)


def start_of(day: date, timezone: str) -> datetime:
    """When a day begins there; where the clocks skip midnight, at the first moment after it."""
    return datetime(day.year, day.month, day.day, tzinfo=zone_named(timezone)).astimezone(UTC)
