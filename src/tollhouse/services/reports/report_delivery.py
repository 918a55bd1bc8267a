"""A report that is sent: by mail with a file, or posted as JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Attachment, Mailer, WriteTable
from tollhouse.domain.tables import FORMATS, Table
from tollhouse.services.reports.reports import ReportOrder, Reports
from tollhouse.services.reports.subscription import Subscription
from tollhouse.store.database import Database

MOST_POSTED = 1000
"""Rows that are posted: the rest is told to be asked for."""
PREFIX = "rpt"
Post = Callable[[str, Mapping[str, Any]], None]
"""Returns once the receiver at this URL has the document. Raises UpstreamError."""


@dataclass(frozen=True, slots=True)
class Made:
    """A report as it is sent, to whoever gets it."""

    id: str
    subscription: Subscription
    order: ReportOrder
    table: Table


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was sent."""

    report: str
    rows: int
    emails: int
    posted: bool


class ReportDelivery:
    """`write` makes a file of a table, `post` sends a document."""

    def __init__(self, database: Database, reports: Reports, write: WriteTable, mailer: Mailer, post: Post) -> None:
        self._database = database
        self._reports = reports
        self._write = write
        self._mailer = mailer
        self._post = post

    def deliver(self, subscription: Subscription, *, by: Actor) -> Delivered:
        """Run it as it is now, seen by `by`, and send it to all; return once each has it.

        Raises what the report raises, and whatever kept mail or post from its receiver: what was sent before that is
        sent, so that to try again may send it twice.
        """
        with self._database.read() as session:
            now = self._database.now(session)
        made = self.make(new_id(PREFIX), subscription, now, by=by)
        if subscription.emails:
            self.mail(made, subscription.emails)
        if subscription.url:
            self.post(made)
        emails, posted = len(subscription.emails), bool(subscription.url)
        return Delivered(subscription.report, len(made.table.rows), emails, posted)

    def make(self, id: str, subscription: Subscription, as_of: datetime, *, by: Actor) -> Made:
        """The report as it is to be sent under this id. Raises what reports do."""
        order = subscription.order(as_of)
        return Made(id, subscription, order, self._reports.run(order, by=by))

    def mail(self, made: Made, to: Sequence[str]) -> None:
        """One mail to all of them. Raises InvalidSetting for a file that cannot be written here, and what the mailer
        does.
        """
        table, format, title = made.table, made.subscription.format, made.subscription.title
        file = Attachment(f"{table.name}.{format}", FORMATS[format], self._write(table, format))
        self._mailer.deliver(to, title, f"{title}: {len(table.rows)} rows, in the file.", (file,))

    def post(self, made: Made) -> None:
        """Raises UpstreamError."""
        self._post(made.subscription.url, _document(made))


def _document(made: Made) -> dict[str, Any]:
    """For programs, which tell by its id what comes a second time; `text` is what chat services show."""
    order, rows = made.order, made.table.documents()
    return {
        "text": f"{made.subscription.title}: {len(rows)} rows",
        "type": "report",
        "id": made.id,
        "report": order.report,
        "since": _moment(order.since),
        "until": _moment(order.until),
        "timezone": order.timezone,
        "rows": rows[:MOST_POSTED],
        "complete": len(rows) <= MOST_POSTED,
    }


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat().replace("+00:00", "Z")
