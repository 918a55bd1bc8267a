"""One question about usage: what of it is read from the roll-ups, what from the ledger, what from its archive.

Wherever a row is read from, the sums are the same; what is rolled up, or archived, is so for good.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

from tollhouse.domain.tags import split
from tollhouse.services.reports.local_days import can_be_moved, moved, noon_of, strays_of
from tollhouse.services.reports.usage_sums import NAMES, UsageSums, sums_of_ledger
from tollhouse.services.reports.usage_times import TIMES, gaps, grain, midnight, named, whole
from tollhouse.store.archive import NO_ARCHIVE, Archive
from tollhouse.store.records import (
    DailyEndUserUsageRecord,
    DailyUsageRecord,
    HourlyUsageRecord,
    LedgerRecord,
    RolledDayRecord,
)

COLUMNS = {
    "key": "key_id",
    "user": "user_id",
    "team": "team_id",
    "model": "model",
    "provider": "provider",
    "tag": "tags",
    "end_user": "end_user",
}
GROUPS = (*COLUMNS, *TIMES)
_BY_HOUR = frozenset({"team", "model", "provider"})
"""What the hours are rolled up by: there are few of each, however many keys."""
_DAY = timedelta(days=1)
Name = tuple[str, ...]
Moment = datetime | None


@dataclass(slots=True)
class Question:
    """Sums by all of `groups` together, of [since, until) of these teams, None for all."""

    groups: tuple[str, ...]
    since: Moment
    until: Moment
    place: ZoneInfo
    teams: frozenset[str] | None
    archive: Archive = NO_ARCHIVE
    sums: dict[Name, UsageSums] = field(default_factory=dict)
    _names: dict[tuple[Any, str], str] = field(default_factory=dict)

    def answer(self, session: Session) -> dict[Name, UsageSums]:
        """By the names of the groups, in their order."""
        archived_until = self.archive.until(session)
        covered = self._from_roll_up(session)
        for begin, end in gaps(covered, self.since, self.until):
            if archived_until is not None and (begin is None or begin < archived_until):
                stop = archived_until if end is None else min(end, archived_until)
                rows = self.archive.sums(session, self._dimensions, self._minutes, begin, stop, self.teams)
                self._add(rows)
                begin = archived_until  # noqa: PLW2901 - from there on the ledger has it
            if end is None or begin is None or begin < end:
                self._add(self._from_ledger(session, begin, end))
        return dict(sorted(self.sums.items()))

    @property
    def _times(self) -> tuple[str, ...]:
        return tuple(group for group in self.groups if group in TIMES)

    @property
    def _dimensions(self) -> tuple[str, ...]:
        return tuple(COLUMNS[group] for group in self.groups if group in COLUMNS)

    @property
    def _minutes(self) -> int | None:
        """The length of the pieces of time that are told apart; None where it does not matter when something was."""
        return grain(self.place) if self._times else None

    def _from_roll_up(self, session: Session) -> tuple[datetime, datetime] | None:
        """Add what is rolled up; from when to when that was."""
        found = self._table()
        if found is None:
            return None
        table, time = found
        bounds = select(func.min(RolledDayRecord.day), func.max(RolledDayRecord.day))
        if time is None and self._minutes != 60:
            bounds = bounds.where(RolledDayRecord.parts)
        first, last = cast("tuple[date | None, date]", session.execute(bounds).one())
        if first is None:
            return None
        if time is None:
            return self._from_local_days(session, midnight(first), midnight(last) + _DAY)
        hours = table is HourlyUsageRecord
        covered = whole(midnight(first), midnight(last) + _DAY, self.since, self.until, hours=hours)
        if covered is None:
            return None
        begin, end = covered if hours else (covered[0].date(), covered[1].date())
        self._add(self._rolled(session, table, time, begin, end))
        return covered

    def _rolled(self, session: Session, table: Any, time: Any, begin: Any, end: Any) -> Iterable[Sequence[Any]]:
        columns = [getattr(table, name) for name in self._dimensions]
        grouped = [time, *columns] if self._times else columns
        sums = [func.sum(getattr(table, name)) for name in NAMES]
        asked = select(*grouped, *sums).where(time >= begin, time < end, *self._of_teams(table))
        return session.execute(asked.group_by(*grouped))

    def _from_local_days(self, session: Session, first: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """Add days and months of another zone than UTC, mostly from whole days of UTC; from when to when that was."""
        days = whole(first, end, self.since, self.until, hours=False)
        covered = whole(first, end, self.since, self.until, hours=True) if self._minutes == 60 else days
        if covered is None:
            return None
        begin, until = days or (covered[0], covered[0])
        by_day, minutes = "day" in self.groups, cast("int", self._minutes)
        strays = strays_of(begin.date(), until.date(), self.place, minutes, by_day=by_day)
        if not can_be_moved(strays):
            return None
        table = DailyUsageRecord
        rows = self._rolled(session, table, table.day, begin.date(), until.date()) if days else ()
        self._add((noon_of(row[0]), *row[1:]) for row in rows)
        self._move(moved(session, strays, self._dimensions, self.teams), {one.half: one.begin for one in strays})
        for rest_begin, rest_end in gaps((begin, until), *covered):
            hourly = HourlyUsageRecord
            self._add(self._rolled(session, hourly, hourly.hour, rest_begin, rest_end))
        return covered

    def _move(self, rows: Iterable[Sequence[Any]], where: Mapping[datetime, datetime]) -> None:
        """Take rows from the day that the noon is in, and add them to the one `where` the half of that day has some.
        What then has nothing left was never there.
        """
        width = len(self._dimensions)
        for half, *row in rows:
            named, sums = row[:width], row[width:]
            self._add([(where[half], *named, *sums)])
            self._add([(noon_of(half.date()), *named, *(-number for number in sums))])
        empty = UsageSums()
        self.sums = {name: one for name, one in self.sums.items() if one != empty}

    def _table(self) -> tuple[Any, Any] | None:
        """What is rolled up by all that is asked about, and its column of time; None for that where whole days of UTC
        are not the zone's.
        """
        utc = str(self.place) in ("UTC", "Etc/UTC")
        groups, times = set(self.groups) - set(TIMES), set(self._times)
        if "end_user" in groups and groups <= {"end_user", "team"}:
            table: Any = DailyEndUserUsageRecord
            return (table, table.day) if not times or (utc and "hour" not in times) else None
        if "end_user" in groups:
            return None
        if not times or (utc and "hour" not in times):
            return DailyUsageRecord, DailyUsageRecord.day
        if groups <= _BY_HOUR and "hour" not in times:
            return DailyUsageRecord, None
        if groups <= _BY_HOUR and self._minutes == 60:
            return HourlyUsageRecord, HourlyUsageRecord.hour
        return None

    def _from_ledger(self, session: Session, begin: Moment, end: Moment) -> Iterable[Sequence[Any]]:
        columns: list[Any] = [getattr(LedgerRecord, name) for name in self._dimensions]
        if self._minutes is not None:
            columns.insert(0, time_piece(session, self._minutes))
        asked = select(*columns, *sums_of_ledger()).where(*between(begin, end), *self._of_teams(LedgerRecord))
        rows = session.execute(asked.group_by(*columns) if columns else asked)
        if self._minutes is None:
            return rows
        return ((moment_of_piece(row[0], self._minutes or 0), *row[1:]) for row in rows)

    def _of_teams(self, table: Any) -> list[ColumnElement[bool]]:
        return [] if self.teams is None else [table.team_id.in_(sorted(self.teams))]

    def _add(self, rows: Iterable[Sequence[Any]]) -> None:
        """A call is in the sums of each of its tags; of no person or without tags, it is in the sums of ""."""
        timed = 1 if self._times else 0
        width = timed + len(self._dimensions)
        for row in rows:
            if not any(row[width:]):
                continue  # the sums of nothing at all
            for name in self._named(row[0] if timed else None, row[timed:width]):
                self.sums.setdefault(name, UsageSums()).add(row[width:])

    def _named(self, moment: Any, values: Sequence[Any]) -> Iterable[Name]:
        left = iter(values)
        parts: list[tuple[str, ...]] = []
        for group in self.groups:
            if group in TIMES:
                parts.append((self._time(moment, group),))
            elif group == "tag":
                parts.append(split(next(left)) or ("",))
            else:
                parts.append((str(next(left) or ""),))
        return product(*parts)

    def _time(self, moment: Any, group: str) -> str:
        known = self._names.get((moment, group))
        if known is None:
            start = moment if isinstance(moment, datetime) else midnight(moment)
            known = self._names[moment, group] = named(start, group, self.place)
        return known


def between(begin: Moment, end: Moment) -> list[ColumnElement[bool]]:
    """That a row of the ledger was booked then."""
    conditions: list[ColumnElement[bool]] = []
    if begin is not None:
        conditions.append(LedgerRecord.booked_at >= begin)
    if end is not None:
        conditions.append(LedgerRecord.booked_at < end)
    return conditions


def time_piece(session: Session, minutes: int) -> ColumnElement[Any]:
    """The piece of so many minutes in which a row of the ledger was booked. Written out, for what is grouped by must
    read as what is selected does.
    """
    if session.get_bind().dialect.name == "postgresql":
        origin = "timestamptz '2000-01-01 00:00:00+00'"
        return literal_column(f"date_bin(interval '{minutes} minutes', ledger.booked_at, {origin})")
    if minutes == 60:
        return literal_column("substr(ledger.booked_at, 1, 13)")
    return literal_column(
        f"substr(ledger.booked_at, 1, 14) || (cast(substr(ledger.booked_at, 15, 2) AS INTEGER) / {minutes})"
    )


def moment_of_piece(value: Any, minutes: int) -> datetime:
    """When a piece begins, as `time_piece` was read."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    begin = datetime.strptime(value[:13], "%Y-%m-%d %H").replace(tzinfo=UTC)
    return begin + timedelta(minutes=minutes * int(value[14:] or 0))
