"""Days and months of a zone, made of sums by UTC day: what of such a day lies in another one there is moved.

A UTC day counts for the local day or month that its noon is in. What of it lies in another is twelve hours of it at
most, so that few of the sums by hour are read; where a day begins within an hour, sums of the hour's first minutes are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

from tollhouse.services.reports.usage_sums import NAMES
from tollhouse.services.reports.usage_times import midnight
from tollhouse.store.records import HourlyUsageRecord, PartHourUsageRecord

CUTS = (
    (2, 30), (3, 30), (9, 30), (10, 15), (11, 15), (13, 30), (14, 30), (15, 15), (17, 30), (18, 15), (18, 30), (19, 30),
    (20, 30),
)  # fmt: skip
"""Hour and minute of UTC at which days begin in zones that are no whole hours from it as they are now: the sums of an
hour's first minutes are rolled up for these.
"""
HALF = timedelta(hours=12)
_HOUR = timedelta(hours=1)
_AT_ONCE = 5000
"""Hours that one statement names: databases take some ten thousand parameters."""
Part = tuple[datetime, int]
"""The first minutes of an hour."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A part of a UTC day, before its noon or after, that lies in another day than that."""

    begin: datetime
    end: datetime

    @property
    def half(self) -> datetime:
        return half_of(self.begin)

    @property
    def hours(self) -> list[datetime]:
        """Those that it has in it, and the one that it begins in."""
        begin, end = _floor(self.begin), _floor(self.end)
        return [begin + number * _HOUR for number in range((end - begin) // _HOUR)]

    @property
    def too_much(self) -> list[Part]:
        """What its `hours` have that it has not."""
        return _part(self.begin)

    @property
    def too_little(self) -> list[Part]:
        """What it has that its `hours` have not."""
        return _part(self.end)


def noon_of(day: date) -> datetime:
    return midnight(day) + HALF


def half_of(moment: datetime) -> datetime:
    """When the half of a UTC day begins that this is in."""
    return moment.replace(hour=moment.hour // 12 * 12, minute=0, second=0, microsecond=0)


def strays_of(first: date, until: date, place: ZoneInfo, minutes: int, *, by_day: bool) -> list[Stray]:
    """What of the UTC days of [first, until) lies in another day, or else month, of the zone than their noons.

    `minutes` are the longest pieces that no hour of the zone cuts in two.
    """

    def named(moment: datetime) -> tuple[int, ...]:
        local = moment.astimezone(place)
        return (local.year, local.month, local.day) if by_day else (local.year, local.month)

    step, found = timedelta(minutes=minutes), []
    for day in range((until - first).days):
        begin = midnight(first + timedelta(days=day))
        home, last = named(begin + HALF), begin + 2 * HALF - step
        for start, part_is_stray in ((begin, named(begin) != home), (begin + HALF, named(last) != home)):
            if part_is_stray:
                pieces = [start + number * step for number in range(HALF // step)]
                found += _joined([piece for piece in pieces if named(piece) != home], step)
    return found


def can_be_moved(strays: Iterable[Stray]) -> bool:
    """Whether there are sums of all that is needed of them."""
    parts = (part for stray in strays for part in (*stray.too_much, *stray.too_little))
    return all((hour.hour, minutes) in CUTS for hour, minutes in parts)


def moved(
    session: Session, strays: Sequence[Stray], dimensions: Sequence[str], teams: frozenset[str] | None
) -> Iterator[tuple[Any, ...]]:
    """The sums of strays: the half of a day in which they are, the dimensions, and the sums of `UsageSums`, of which
    several rows of one name add up.
    """
    hours = [hour for stray in strays for hour in stray.hours]
    yield from _sums(session, HourlyUsageRecord, hours, [], dimensions, teams)
    for sign, parts in (
        (-1, [part for stray in strays for part in stray.too_much]),
        (1, [part for stray in strays for part in stray.too_little]),
    ):
        for minutes in sorted({minutes for _, minutes in parts}):
            chosen = [hour for hour, first in parts if first == minutes]
            which = [PartHourUsageRecord.minutes == minutes]
            for half, *row in _sums(session, PartHourUsageRecord, chosen, which, dimensions, teams):
                named, sums = row[: len(dimensions)], row[len(dimensions) :]
                yield (half, *named, *(sign * number for number in sums))


def _sums(
    session: Session,
    table: Any,
    hours: Sequence[datetime],
    which: Sequence[ColumnElement[bool]],
    dimensions: Sequence[str],
    teams: frozenset[str] | None,
) -> Iterator[tuple[Any, ...]]:
    columns = [_half_piece(session, table.__tablename__), *(getattr(table, name) for name in dimensions)]
    sums = [func.sum(getattr(table, name)) for name in NAMES]
    conditions = [*which, *([] if teams is None else [table.team_id.in_(sorted(teams))])]
    for start in range(0, len(hours), _AT_ONCE):
        chosen = table.hour.in_(hours[start : start + _AT_ONCE])
        for half, *row in session.execute(select(*columns, *sums).where(chosen, *conditions).group_by(*columns)):
            yield (_moment_of_half(half), *row)


def _half_piece(session: Session, table: str) -> ColumnElement[Any]:
    """Written out, for what is grouped by must read as what is selected does."""
    if session.get_bind().dialect.name == "postgresql":
        return literal_column(f"date_bin(interval '12 hours', {table}.hour, timestamptz '2000-01-01 00:00:00+00')")
    return literal_column(f"substr({table}.hour, 1, 10) || (substr({table}.hour, 12, 2) >= '12')")


def _moment_of_half(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return midnight(date.fromisoformat(value[:10])) + int(value[10:]) * HALF


def _joined(pieces: Sequence[datetime], step: timedelta) -> list[Stray]:
    """Pieces of one half of a day, those that follow each other as one."""
    found: list[Stray] = []
    for piece in pieces:
        if found and found[-1].end == piece:
            found[-1] = Stray(found[-1].begin, piece + step)
        else:
            found.append(Stray(piece, piece + step))
    return found


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _part(moment: datetime) -> list[Part]:
    return [(_floor(moment), moment.minute)] if moment.minute else []
