"""What was used: the ledger, added up by a column of it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.periods import zone
from tollhouse.domain.tags import split
from tollhouse.store.database import Database
from tollhouse.store.records import DailyUsageRecord, LedgerRecord, RolledDayRecord

GROUPS = ("key", "user", "team", "model", "provider", "tag", "day")


@dataclass(slots=True)
class UsageSums:
    """Sums over ledger rows. `unpriced` rows are in the counts, and have no cost."""

    requests: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    unpriced: int = 0

    def add(self, numbers: Sequence[int]) -> None:
        """Add what a row of sums says, in the order of the fields."""
        for one, number in zip(fields(self), numbers, strict=True):
            setattr(self, one.name, getattr(self, one.name) + int(number or 0))


class UsageReport:
    """Reads days that are over from the roll-up, the rest from the ledger itself: the sums are the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by(
        self,
        group: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        timezone: str = "UTC",
    ) -> dict[str, UsageSums]:
        """Sums by group, in the group's order; `since` counts, `until` does not; days are the zone's own."""
        if group not in GROUPS:
            raise InvalidField(f"by: it must be one of {', '.join(GROUPS)}.", param="by")
        try:
            place = zone(timezone)
        except ValueError as error:
            raise InvalidField(f"timezone: {error}.", param="timezone") from None
        with self._database.read() as session:
            # Days of another zone cut through the roll-up's, which are UTC's.
            utc_days = group != "day" or timezone == "UTC"
            rolled = self._rolled_days(session, since, until) if utc_days else []
            sums: dict[str, UsageSums] = {}
            for row in self._from_roll_up(session, group, rolled):
                self._add(group, row, sums)
            for begin, end in _gaps(rolled, since, until):
                if group == "day":
                    self._add_days(session, begin, end, place, sums)
                    continue
                for row in _from_ledger(session, _column(LedgerRecord, group), begin, end):
                    self._add(group, row, sums)
        return dict(sorted(sums.items()))

    def _rolled_days(self, session: Session, since: datetime | None, until: datetime | None) -> list[date]:
        days = session.scalars(select(RolledDayRecord.day).order_by(RolledDayRecord.day))
        return [
            day
            for day in days
            if (since is None or _midnight(day) >= since) and (until is None or _midnight(day) + _DAY <= until)
        ]

    def _from_roll_up(self, session: Session, group: str, days: list[date]) -> Sequence[Row[Any]]:
        if not days:
            return []
        table = DailyUsageRecord
        column = table.day if group == "day" else _column(table, group)
        sums = [func.sum(getattr(table, one.name)) for one in fields(UsageSums)]
        wanted = select(column, *sums).where(table.day >= days[0], table.day <= days[-1])
        return session.execute(wanted.group_by(column)).all()

    def _add(self, group: str, row: Row[Any], sums: dict[str, UsageSums]) -> None:
        """A call is in the sums of each of its tags; of no person or without tags, it is in the sums of ""."""
        names = split(row[0]) or ("",) if group == "tag" else (str(row[0] or ""),)
        for name in names:
            sums.setdefault(name, UsageSums()).add(row[1:])

    def _add_days(
        self,
        session: Session,
        begin: datetime | None,
        end: datetime | None,
        place: Any,
        sums: dict[str, UsageSums],
    ) -> None:
        """By local day, one query a day: each side of a clock change is cut where its midnight is."""
        bounds = select(func.min(LedgerRecord.booked_at), func.max(LedgerRecord.booked_at))
        first, last = cast(
            "tuple[datetime | None, datetime]", session.execute(bounds.where(*_between(begin, end))).one()
        )
        if first is None:
            return
        day, final = first.astimezone(place).date(), last.astimezone(place).date()
        while day <= final:
            start = datetime(day.year, day.month, day.day, tzinfo=place)
            following = day + timedelta(days=1)
            stop = datetime(following.year, following.month, following.day, tzinfo=place)
            lower = max(start, begin) if begin else start
            upper = min(stop, end) if end else stop
            for row in _from_ledger(session, None, lower, upper):
                if row[0]:
                    sums.setdefault(day.isoformat(), UsageSums()).add(row[1:])
            day = following


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
    ]


def _column(table: type[LedgerRecord | DailyUsageRecord], group: str) -> Any:
    return {
        "key": table.key_id,
        "user": table.user_id,
        "team": table.team_id,
        "model": table.model,
        "provider": table.provider,
        "tag": table.tags,
    }[group]


def _from_ledger(session: Session, column: Any, begin: datetime | None, end: datetime | None) -> Sequence[Row[Any]]:
    wanted = select(column if column is not None else func.count(), *sums_of_ledger()).where(*_between(begin, end))
    return session.execute(wanted if column is None else wanted.group_by(column)).all()


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
