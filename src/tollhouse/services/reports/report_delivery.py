"""A report that is sent rather than asked for: by mail with a file, or posted as JSON. Schedules call this."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.ports import Attachment, Mailer, WriteTable
from tollhouse.domain.tables import FORMATS, Table, TableFormat
from tollhouse.services.reports.report_times import period_named
from tollhouse.services.reports.reports import REPORTS, ReportOrder, Reports
from tollhouse.store.database import Database

MOST_POSTED = 1000
"""Rows that are posted: the rest is told to be asked for."""
Post = Callable[[str, Mapping[str, Any]], None]
"""Returns once the receiver at this URL has the document. Raises UpstreamError."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A report of a period that moves on, and who gets it. Without a period it is of all time, or of its own."""

    order: ReportOrder
    period: str | None
    format: TableFormat
    emails: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was sent."""

    report: str
    rows: int
    emails: int
    posted: bool


def subscription_from(fields: Mapping[str, Any]) -> Subscription:
    """What a schedule keeps: `report`, `by`, `period`, `timezone`, `team_id`, `month`, `factor`, `format`, `emails`,
    `url`. InvalidField names what is wrong.
    """
    known = ("report", "by", "period", "timezone", "team_id", "month", "factor", "format", "emails", "url")
    for name in fields:
        if name not in known:
            raise InvalidField(f"{name[:60]}: there is no such field.", param=name[:60])
    if fields.get("report") not in REPORTS:
        raise InvalidField(f"report: it must be one of {', '.join(REPORTS)}.", param="report")
    format = fields.get("format") or "csv"
    if format not in FORMATS:
        raise InvalidField(f"format: it must be one of {', '.join(FORMATS)}.", param="format")
    emails, url = tuple(fields.get("emails") or ()), fields.get("url") or ""
    if not emails and not url:
        raise InvalidField("emails: give somebody who gets it, or a `url`.", param="emails")
    given = {name: fields[name] for name in ("timezone", "team_id", "month", "factor") if fields.get(name) is not None}
    order = ReportOrder(fields["report"], tuple(fields.get("by") or ()), **given)
    return Subscription(order, fields.get("period"), cast(TableFormat, format), emails, url)


class ReportDelivery:
    """`write` makes a file of a table, `post` sends a document."""

    def __init__(self, database: Database, reports: Reports, write: WriteTable, mailer: Mailer, post: Post) -> None:
        self._database = database
        self._reports = reports
        self._write = write
        self._mailer = mailer
        self._post = post

    def check(self, subscription: Subscription) -> None:
        """Raise InvalidField for what could not be delivered whenever it is due."""
        if subscription.period is not None:
            period_named(subscription.period, self._now(), subscription.order.timezone)

    def deliver(self, subscription: Subscription, *, by: Actor) -> Delivered:
        """Run it as it is now, seen by `by`, and send it to all; return once each has it.

        Raises what the report raises, and whatever kept mail or post from its receiver: what was sent before that is
        sent, so that to try again may send it twice.
        """
        order, period = subscription.order, subscription.period
        if period is not None:
            since, until = period_named(period, self._now(), order.timezone)
            order = ReportOrder(
                order.report, order.by, since, until, order.timezone, order.team_id, order.month, order.factor
            )
        table = self._reports.run(order, by=by)
        title = _title(order, period)
        if subscription.emails:
            format = subscription.format
            file = Attachment(f"{table.name}.{format}", FORMATS[format], self._write(table, format))
            self._mailer.deliver(subscription.emails, title, f"{title}: {len(table.rows)} rows, in the file.", (file,))
        if subscription.url:
            self._post(subscription.url, _document(order, table, title))
        return Delivered(order.report, len(table.rows), len(subscription.emails), bool(subscription.url))

    def _now(self) -> datetime:
        with self._database.read() as session:
            return self._database.now(session)


def _title(order: ReportOrder, period: str | None) -> str:
    of = f" by {', '.join(order.by)}" if order.by else ""
    when = f", {period.replace('_', ' ')} ({order.timezone})" if period else ""
    return f"Tollhouse report: {order.report}{of}{when}"


def _document(order: ReportOrder, table: Table, title: str) -> dict[str, Any]:
    """For programs; `text` is what chat services show."""
    rows: Sequence[dict[str, Any]] = table.documents()
    return {
        "text": f"{title}: {len(rows)} rows",
        "type": "report",
        "report": order.report,
        "since": None if order.since is None else order.since.isoformat().replace("+00:00", "Z"),
        "until": None if order.until is None else order.until.isoformat().replace("+00:00", "Z"),
        "timezone": order.timezone,
        "rows": rows[:MOST_POSTED],
        "complete": len(rows) <= MOST_POSTED,
    }
