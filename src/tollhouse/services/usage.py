"""What was used: the ledger, added up by a column of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.periods import zone
from tollhouse.domain.rights import Right
from tollhouse.domain.tags import split
from tollhouse.services.teams import no_team
from tollhouse.store.records import DailyEndUserUsageRecord, DailyUsageRecord, LedgerRecord, RolledDayRecord
from tollhouse.store.searches import Searches

GROUPS = ("key", "user", "team", "model", "provider", "tag", "day", "end_user")


@dataclass(slots=True)
class UsageSums:
    """Sums over ledger rows. `unpriced` rows are in the counts, and have no cost; `cached` ones got a reply that was
    made before, which `saved` so much.
    """

    requests: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    unpriced: int = 0
    cached: int = 0
    saved: int = 0

    def add(self, numbers: Sequence[int]) -> None:
        """Add what a row of sums says, in the order of the fields."""
        for one, number in zip(fields(self), numbers, strict=True):
            setattr(self, one.name, getattr(self, one.name) + int(number or 0))

    def shown(self) -> dict[str, Any]:
        """As reports tell it: all that went in, with how much of it came from a cache."""
        return {
            "requests": self.requests,
            "input_tokens": self.input_tokens + self.cache_read_tokens + self.cache_write_tokens,
            "cached_tokens": self.cache_read_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": usd_from_nanos(self.cost),
            "unpriced_requests": self.unpriced,
            "cached_requests": self.cached,
            "saved_usd": usd_from_nanos(self.saved),
        }


class UsageReport:
    """Reads days that are over from the roll-up, the rest from the ledger itself: the sums are the same."""

    def __init__(self, searches: Searches) -> None:
        self._searches = searches

    def by(
        self,
        group: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        timezone: str = "UTC",
        team_id: str | None = None,
        by: Actor = SYSTEM,
    ) -> dict[str, UsageSums]:
        """Sums by group, in the group's order, of the teams whose money they may see; `since` counts, `until` does
        not; days are the zone's own. Raises InvalidField, Forbidden, NotFound, SearchTooLong.
        """
        teams = _teams(by, team_id)
        if group not in GROUPS:
            raise InvalidField(f"by: it must be one of {', '.join(GROUPS)}.", param="by")
        place = zone_named(timezone)
        # Days of another zone cut through the roll-up's, which are UTC's.
        utc_days = group != "day" or timezone == "UTC"
        asked = _Question(group, since, until, place, teams, utc_days)
        return self._searches.ask(asked.answer)

    def page(
        self,
        group: str,
        limit: int,
        after: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        timezone: str = "UTC",
        team_id: str | None = None,
        by: Actor,
    ) -> Page[dict[str, Any]]:
        """The same as rows, in pages; `after` is the group of the row before, "" one as any other."""
        sums = self.by(group, since=since, until=until, timezone=timezone, team_id=team_id, by=by)
        names = [name for name in sums if after is None or name > after]
        rows = [{group: name, **sums[name].shown()} for name in names[: limit + 1]]
        return page_of(rows, limit, lambda row: str(row[group]))


@dataclass(slots=True)
class _Question:
    group: str
    since: datetime | None
    until: datetime | None
    place: ZoneInfo
    teams: frozenset[str] | None
    rolled_days: bool
    sums: dict[str, UsageSums] = field(default_factory=dict)

    def answer(self, session: Session) -> dict[str, UsageSums]:
        rolled = self._rolled_days(session) if self.rolled_days else []
        for row in self._from_roll_up(session, rolled):
            self._add(row)
        for begin, end in _gaps(rolled, self.since, self.until):
            if self.group == "day":
                self._add_days(session, begin, end)
                continue
            for row in self._from_ledger(session, _column(LedgerRecord, self.group), begin, end):
                self._add(row)
        return dict(sorted(self.sums.items()))

    def _rolled_days(self, session: Session) -> list[date]:
        days = session.scalars(select(RolledDayRecord.day).order_by(RolledDayRecord.day))
        return [
            day
            for day in days
            if (self.since is None or _midnight(day) >= self.since)
            and (self.until is None or _midnight(day) + _DAY <= self.until)
        ]

    def _from_roll_up(self, session: Session, days: list[date]) -> Sequence[Row[Any]]:
        if not days:
            return []
        table = DailyEndUserUsageRecord if self.group == "end_user" else DailyUsageRecord
        column = table.day if self.group == "day" else _column(table, self.group)
        sums = [func.sum(getattr(table, one.name)) for one in fields(UsageSums)]
        wanted = select(column, *sums).where(table.day >= days[0], table.day <= days[-1], *self._of_teams(table))
        return session.execute(wanted.group_by(column)).all()

    def _from_ledger(
        self, session: Session, column: Any, begin: datetime | None, end: datetime | None
    ) -> Sequence[Row[Any]]:
        wanted = select(column if column is not None else func.count(), *sums_of_ledger())
        wanted = wanted.where(*_between(begin, end), *self._of_teams(LedgerRecord))
        return session.execute(wanted if column is None else wanted.group_by(column)).all()

    def _of_teams(self, table: Any) -> list[ColumnElement[bool]]:
        return [] if self.teams is None else [table.team_id.in_(sorted(self.teams))]

    def _add(self, row: Row[Any]) -> None:
        """A call is in the sums of each of its tags; of no person or without tags, it is in the sums of ""."""
        names = split(row[0]) or ("",) if self.group == "tag" else (str(row[0] or ""),)
        for name in names:
            self.sums.setdefault(name, UsageSums()).add(row[1:])

    def _add_days(self, session: Session, begin: datetime | None, end: datetime | None) -> None:
        """By local day, one query a day: each side of a clock change is cut where its midnight is."""
        bounds = select(func.min(LedgerRecord.booked_at), func.max(LedgerRecord.booked_at))
        bounds = bounds.where(*_between(begin, end), *self._of_teams(LedgerRecord))
        first, last = cast("tuple[datetime | None, datetime]", session.execute(bounds).one())
        if first is None:
            return
        day, final = first.astimezone(self.place).date(), last.astimezone(self.place).date()
        while day <= final:
            start = datetime(day.year, day.month, day.day, tzinfo=self.place)
            following = day + timedelta(days=1)
            stop = datetime(following.year, following.month, following.day, tzinfo=self.place)
            lower = max(start, begin) if begin else start
            upper = min(stop, end) if end else stop
            for row in self._from_ledger(session, None, lower, upper):
                if row[0]:
                    self.sums.setdefault(day.isoformat(), UsageSums()).add(row[1:])
            day = following


def zone_named(name: str) -> ZoneInfo:
    """The time zone of this name. InvalidField names `timezone`."""
    try:
        return zone(name)
    except ValueError as error:
        raise InvalidField(f"timezone: {error}.", param="timezone") from None


def _teams(by: Actor, team_id: str | None) -> frozenset[str] | None:
    """The teams whose money they may see, or the one that is asked about; None for all."""
    if team_id is not None:
        by.require_in(team_id, Right.VIEW_MONEY, no_team(team_id))
        return frozenset({team_id})
    seen = by.teams_with(Right.VIEW_MONEY)
    if seen is not None and not seen:
        by.require(Right.VIEW_MONEY)
    return seen


_DAY = timedelta(days=1)


def sums_of_ledger() -> list[ColumnElement[Any]]:
    """The sums of ledger rows, in the order of `UsageSums`. Adjustments are no requests, nor are further attempts."""
    return [
        func.count().filter(LedgerRecord.kind == "call", LedgerRecord.attempt == 1),
        func.sum(LedgerRecord.input_tokens),
        func.sum(LedgerRecord.cache_read_tokens),
        func.sum(LedgerRecord.cache_write_tokens),
        func.sum(LedgerRecord.output_tokens),
        func.coalesce(func.sum(LedgerRecord.cost), 0),
        func.count().filter(LedgerRecord.cost.is_(None)),
        func.count().filter(LedgerRecord.saved.is_not(None)),
        func.coalesce(func.sum(LedgerRecord.saved), 0),
    ]


def _column(table: Any, group: str) -> Any:
    names = {"key": "key_id", "user": "user_id", "team": "team_id", "tag": "tags"}
    return getattr(table, names.get(group, group))


def _between(begin: datetime | None, end: datetime | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if begin is not None:
        conditions.append(LedgerRecord.booked_at >= begin)
    if end is not None:
        conditions.append(LedgerRecord.booked_at < end)
    return conditions


def _gaps(
    rolled: list[date], since: datetime | None, until: datetime | None
) -> list[tuple[datetime | None, datetime | None]]:
    """What of [since, until) the rolled days leave. They follow one another: days are rolled in order."""
    if not rolled:
        return [(since, until)]
    first, last = _midnight(rolled[0]), _midnight(rolled[-1]) + _DAY
    gaps: list[tuple[datetime | None, datetime | None]] = [(since, first)] if since is None or since < first else []
    return gaps + ([(last, until)] if until is None or last < until else [])


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
