"""Reports: tables of what was used, made for whoever asks out of the sums that they may see."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.tables import Column, Table
from tollhouse.services.reports.report_times import month_named, start_of
from tollhouse.services.reports.response_times import ResponseTimes, check_groups_of_times
from tollhouse.services.reports.usage import UsageReport, check_groups, zone_named
from tollhouse.services.reports.usage_question import COLUMNS
from tollhouse.services.reports.usage_sums import NAMES, UsageSums
from tollhouse.services.reports.usage_trends import anomalies_of, forecasts_of
from tollhouse.store.database import Database
from tollhouse.store.records import TeamRecord

MOST_ROWS = 200_000
BASIS_DAYS = 28
"""What is usual is what was so in four weeks."""
FACTOR = 5.0

SUMS = (
    Column("requests"),
    Column("input_tokens"),
    Column("cached_tokens"),
    Column("output_tokens"),
    Column("cost_usd", "money"),
    Column("unpriced_requests"),
    Column("cached_requests"),
    Column("saved_usd", "money"),
    Column("failed_requests"),
)
"""Of what `numbers_of` tells."""
_UNITS = (
    Column("usd_per_request", "money"),
    Column("usd_per_million_tokens", "money"),
    Column("cached_share", "share"),
    Column("failed_share", "share"),
)


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """Which report, of what. What a report has no use for is left alone; what it needs has a default."""

    report: str
    by: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    timezone: str = "UTC"
    team_id: str | None = None
    month: str | None = None
    """As 2026-10, of a chargeback; without it the month that is over."""
    factor: float = FACTOR
    as_of: datetime | None = None
    """The moment that counts as now; without it, now."""


class Reports:
    """Each of its reports is a method, found by its name in `REPORTS`."""

    def __init__(self, database: Database, usage: UsageReport, times: ResponseTimes) -> None:
        self._database = database
        self._usage = usage
        self._times = times

    def run(self, order: ReportOrder, *, by: Actor = SYSTEM) -> Table:
        """Raises InvalidField, Forbidden, NotFound, SearchTooLong."""
        check_order(order)
        table = REPORTS[order.report](self, order, by)
        if len(table.rows) > MOST_ROWS:
            raise InvalidField(f"by: this makes more than {MOST_ROWS} rows: ask about a shorter time.", param="by")
        return table

    def usage(self, order: ReportOrder, by: Actor) -> Table:
        """Requests, tokens, cost, what caches saved, and what a request and a token cost."""
        groups = order.by or ("model",)
        sums = self._sums(order, groups, order.since, order.until, by)
        columns = (*(Column(group, "text") for group in groups), *SUMS, *_UNITS)
        return Table("usage", columns, [(*name, *numbers_of(one), *_units(one)) for name, one in sums.items()])

    def latency(self, order: ReportOrder, by: Actor) -> Table:
        """How long calls took, and how long until their first token."""
        return self._times.table(order.by or ("model",), order.since, order.until, order.team_id, by)

    def forecast(self, order: ReportOrder, by: Actor) -> Table:
        """What this month has cost, and will by its end if it goes on as in the last four weeks."""
        groups = order.by or ("team",)
        now = self._now(order).astimezone(zone_named(order.timezone))
        first = now.date().replace(day=1)
        since = min(first, now.date() - timedelta(days=BASIS_DAYS))
        costs = self._daily(order, groups, start_of(since, order.timezone), None, by)
        return Table(
            "forecast",
            (
                *(Column(group, "text") for group in groups),
                Column("month", "text"),
                Column("spent_usd", "money"),
                Column("forecast_usd", "money"),
                Column("basis_days"),
            ),
            [(*name, *row) for name, row in forecasts_of(costs, now, BASIS_DAYS)],
        )

    def anomalies(self, order: ReportOrder, by: Actor) -> Table:
        """Who cost many times as much on a day as on their usual one: today, or since when is asked."""
        groups = order.by or ("key",)
        place = zone_named(order.timezone)
        now = self._now(order).astimezone(place)
        first = order.since.astimezone(place).date() if order.since else now.date()
        last = (order.until - timedelta(microseconds=1)).astimezone(place).date() if order.until else now.date()
        since = start_of(first - timedelta(days=BASIS_DAYS), order.timezone)
        costs = self._daily(order, groups, since, order.until, by)
        return Table(
            "anomalies",
            (
                *(Column(group, "text") for group in groups),
                Column("day", "text"),
                Column("cost_usd", "money"),
                Column("usual_usd", "money"),
                Column("times", "share"),
            ),
            [(*name, *row) for name, row in anomalies_of(costs, first, last, order.factor, BASIS_DAYS)],
        )

    def chargeback(self, order: ReportOrder, by: Actor) -> Table:
        """What each team is to pay for a month, to the nano-dollar of the ledger, and the sum of it."""
        groups = _charged(order)
        month = month_named(order.month, self._now(order), order.timezone)
        sums = self._sums(
            order, groups, start_of(month.first, order.timezone), start_of(month.next, order.timezone), by
        )
        names = self._team_names()
        total = UsageSums()
        rows: list[tuple[Any, ...]] = []
        for name, one in sums.items():
            total.add([getattr(one, field) for field in NAMES])
            rows.append((month.name, *name, names.get(name[0], ""), *numbers_of(one)))
        rows.append((month.name, "total", *("" for _ in groups[1:]), "", *numbers_of(total)))
        columns = (Column("month", "text"), *(Column(group, "text") for group in groups), Column("team_name", "text"))
        return Table("chargeback", (*columns, *SUMS), rows)

    def _sums(
        self, order: ReportOrder, groups: Sequence[str], since: datetime | None, until: datetime | None, by: Actor
    ) -> Mapping[tuple[str, ...], UsageSums]:
        return self._usage.by_all(
            groups, since=since, until=until, timezone=order.timezone, team_id=order.team_id, by=by
        )

    def _daily(
        self, order: ReportOrder, groups: Sequence[str], since: datetime, until: datetime | None, by: Actor
    ) -> dict[tuple[str, ...], dict[date, int]]:
        """What each group cost on each day."""
        costs: dict[tuple[str, ...], dict[date, int]] = {}
        for (*name, day), sums in self._sums(order, (*groups, "day"), since, until, by).items():
            costs.setdefault(tuple(name), {})[date.fromisoformat(day)] = sums.cost
        return costs

    def _team_names(self) -> dict[str, str]:
        with self._database.read() as session:
            return {row.id: row.name for row in session.execute(select(TeamRecord.id, TeamRecord.name))}

    def _now(self, order: ReportOrder) -> datetime:
        if order.as_of is not None:
            return order.as_of
        with self._database.read() as session:
            return self._database.now(session)


REPORTS: dict[str, Callable[[Reports, ReportOrder, Actor], Table]] = {
    "usage": Reports.usage,
    "latency": Reports.latency,
    "forecast": Reports.forecast,
    "anomalies": Reports.anomalies,
    "chargeback": Reports.chargeback,
}


def check_order(order: ReportOrder) -> None:
    """Raise InvalidField for what no report could be made of, whatever there is to be told."""
    if order.report not in REPORTS:
        raise InvalidField(f"report: it must be one of {', '.join(REPORTS)}.", param="report")
    zone_named(order.timezone)
    if order.report == "usage":
        check_groups(order.by or ("model",))
    elif order.report == "latency":
        check_groups_of_times(order.by or ("model",))
    elif any(group not in COLUMNS for group in order.by):
        raise InvalidField(f"by: for this report it must be some of {', '.join(COLUMNS)}.", param="by")
    elif order.report == "chargeback":
        check_groups(_charged(order))
        if "tag" in order.by:
            raise InvalidField("by: a call with two tags would be paid twice.", param="by")
        if order.month is not None:
            month_named(order.month, datetime.now(UTC), order.timezone)
    else:
        check_groups((*order.by, "day"))
    if order.report == "anomalies" and not 1 < order.factor <= 1000:
        raise InvalidField("factor: it must be more than 1, and at most 1000.", param="factor")


def _charged(order: ReportOrder) -> tuple[str, ...]:
    return ("team", *(group for group in order.by if group != "team"))


def numbers_of(sums: UsageSums) -> tuple[int, ...]:
    """As `UsageSums.shown` has them, money in nano-dollars."""
    return (
        sums.requests,
        sums.prompt_tokens,
        sums.cache_read_tokens,
        sums.output_tokens,
        sums.cost,
        sums.unpriced,
        sums.cached,
        sums.saved,
        sums.failed,
    )


def _units(sums: UsageSums) -> tuple[int | float | None, ...]:
    tokens = sums.prompt_tokens + sums.output_tokens
    return (
        _each(sums.cost, sums.requests),
        _each(sums.cost * 1_000_000, tokens),
        round(sums.cache_read_tokens / sums.prompt_tokens, 6) if sums.prompt_tokens else None,
        round(sums.failed / sums.requests, 6) if sums.requests else None,
    )


def _each(nanos: int, count: int) -> int | None:
    return round(nanos / count) if count > 0 else None
