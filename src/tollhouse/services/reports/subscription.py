"""What is sent rather than asked for: a report, of a period that moves on, and who gets it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.tables import FORMATS, TableFormat
from tollhouse.services.naming import check_email
from tollhouse.services.reports.report_times import PERIODS, period_named
from tollhouse.services.reports.reports import FACTOR, REPORTS, ReportOrder

FIELDS = ("report", "by", "period", "team_id", "factor", "format", "emails", "url")
OF_A_PERIOD = ("usage", "latency", "anomalies")
"""The others know their months themselves: a forecast is of this one, a chargeback of the one that is over."""
MOST_EMAILS = 50
LONGEST_URL = 2000
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Subscription:
    """Without a period a report is of all time, or of a time of its own."""

    report: str
    by: tuple[str, ...]
    period: str | None
    timezone: str
    team_id: str | None
    factor: float
    format: TableFormat
    emails: tuple[str, ...]
    url: str

    def order(self, as_of: datetime) -> ReportOrder:
        """What it asks for at that moment."""
        since, until = (None, None) if self.period is None else period_named(self.period, as_of, self.timezone)
        return ReportOrder(
            self.report, self.by, since, until, self.timezone, self.team_id, factor=self.factor, as_of=as_of
        )

    @property
    def title(self) -> str:
        of = f" by {', '.join(self.by)}" if self.by else ""
        when = f", {self.period.replace('_', ' ')} ({self.timezone})" if self.period else ""
        return f"Tollhouse report: {self.report}{of}{when}"


def subscription_from(fields: Mapping[str, Any], timezone: str = "UTC") -> Subscription:
    """What a schedule keeps, with the zone of its days. InvalidField names what is wrong, as far as that can be told
    without asking anybody.
    """
    for name in fields:
        if name not in FIELDS:
            raise InvalidField(f"{name[:_LONGEST]}: there is no such field.", param=name[:_LONGEST])
    report = _one_of(fields, "report", tuple(REPORTS))
    if report is None:
        raise InvalidField(f"report: it must be one of {', '.join(REPORTS)}.", param="report")
    period = _one_of(fields, "period", PERIODS)
    if period is not None and report not in OF_A_PERIOD:
        raise InvalidField(f"period: a {report} has a month of its own: leave it out.", param="period")
    emails = tuple(dict.fromkeys(check_email(one, "emails") for one in _texts(fields, "emails")))
    if len(emails) > MOST_EMAILS:
        raise InvalidField(f"emails: {MOST_EMAILS} are the most.", param="emails")
    url = _text(fields, "url", LONGEST_URL) or ""
    if not emails and not url:
        raise InvalidField("emails: give somebody who gets it, or a `url`.", param="emails")
    return Subscription(
        report,
        tuple(_texts(fields, "by")),
        period,
        timezone,
        _text(fields, "team_id", _LONGEST),
        _factor(fields),
        cast(TableFormat, _one_of(fields, "format", tuple(FORMATS)) or "csv"),
        emails,
        url,
    )


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = fields.get(name)
    if value is not None and (not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= longest):
        raise InvalidField(f"{name}: it must be text of 1 to {longest} characters.", param=name)
    return value


def _texts(fields: Mapping[str, Any], name: str) -> Sequence[str]:
    value = fields.get(name)
    values = () if value is None else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(one, str) for one in values):
        raise InvalidField(f"{name}: it must be a list of texts.", param=name)
    return values


def _one_of(fields: Mapping[str, Any], name: str, known: Sequence[str]) -> str | None:
    value = fields.get(name)
    if value is not None and value not in known:
        raise InvalidField(f"{name}: it must be one of {', '.join(known)}.", param=name)
    return value


def _factor(fields: Mapping[str, Any]) -> float:
    value = fields.get("factor")
    if value is None:
        return FACTOR
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidField("factor: it must be a number.", param="factor")
    return float(value)
