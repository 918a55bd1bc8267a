"""Reports that are sent: to whom, with what, and seen by whose rights."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tollhouse.domain.actor import SHELL, Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.ports import Attachment
from tollhouse.domain.rights import Role
from tollhouse.services.reports.report_delivery import ReportDelivery
from tollhouse.services.reports.report_times import PERIODS, period_named
from tollhouse.services.reports.reports import Reports
from tollhouse.services.reports.response_times import ResponseTimes
from tollhouse.services.reports.subscription import subscription_from
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store.archive import NO_ARCHIVE
from tollhouse.store.database import Database
from tollhouse.store.searches import Searches
from tollhouse.table_files import write


class Mails:
    """Mail that is kept instead of sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[Sequence[str], str, Sequence[Attachment]]] = []

    def send(self, to: str, subject: str, text: str) -> None:
        raise AssertionError("whoever delivers must know that it arrived")

    def deliver(self, to: Sequence[str], subject: str, text: str, files: Sequence[Attachment] = ()) -> None:
        self.sent.append((to, subject, files))

    def close(self) -> None:
        pass


@pytest.fixture
def mails() -> Mails:
    return Mails()


@pytest.fixture
def posts() -> list[tuple[str, Mapping[str, Any]]]:
    return []


@pytest.fixture
def delivery(database: Database, mails: Mails, posts: list[Any]) -> ReportDelivery:
    searches = Searches(database)
    reports = Reports(database, UsageReport(searches), ResponseTimes(searches, NO_ARCHIVE))
    return ReportDelivery(database, reports, write, mails, lambda url, document: posts.append((url, document)))


def test_a_report_of_yesterday_is_mailed_and_posted(
    delivery: ReportDelivery, mails: Mails, posts: list[Any], book: Callable[..., str]
) -> None:
    now = datetime.now(UTC)
    book(now - timedelta(days=1), cost=5, model="=m")
    book(now, cost=70)
    fields = {"report": "usage", "by": ["model"], "period": "yesterday", "emails": ["a@example.com", "b@example.com"]}
    done = delivery.deliver(subscription_from({**fields, "url": "https://hook.example/x"}), by=SHELL)
    assert (done.rows, done.emails, done.posted) == (1, 2, True)
    ((to, subject, (file,)),) = mails.sent
    assert to == ("a@example.com", "b@example.com")
    assert subject == "Tollhouse report: usage by model, yesterday (UTC)"
    assert (file.name, file.media_type) == ("usage.csv", "text/csv")
    (row,) = csv.DictReader(io.StringIO(file.content.decode()))
    assert (row["model"], row["cost_usd"]) == ("'=m", "0.000000005")
    ((url, document),) = posts
    assert (url, document["type"], document["complete"]) == ("https://hook.example/x", "report", True)
    assert document["rows"][0]["cost_usd"] == "0.000000005"
    assert "1 rows" in document["text"]


def test_it_has_what_its_owner_may_see(delivery: ReportDelivery, posts: list[Any], book: Callable[..., str]) -> None:
    for team in ("team_mine", "team_theirs"):
        book(datetime.now(UTC), team_id=team)
    mine = Actor("person", "usr_1", teams={"team_mine": Role.VIEWER})
    delivery.deliver(subscription_from({"report": "usage", "by": ["team"], "url": "https://h.example"}), by=mine)
    assert [row["team"] for row in posts[0][1]["rows"]] == ["team_mine"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"report": "gossip", "url": "x"}, "report"),
        ({"report": "usage"}, "emails"),
        ({"report": "usage", "url": "x", "format": "pdf"}, "format"),
        ({"report": "usage", "url": "x", "colour": 1}, "colour"),
        ({"report": "usage", "url": "x", "period": "soon"}, "period"),
    ],
)
def test_what_cannot_be_delivered_is_told_before_it_is_due(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidField) as raised:
        subscription_from(fields)
    assert raised.value.param == param


@pytest.mark.parametrize("name", PERIODS)
def test_periods_begin_and_end_at_midnights_of_their_zone(name: str) -> None:
    begin, end = period_named(name, datetime(2026, 3, 30, 5, tzinfo=UTC), "America/New_York")
    told = {
        "today": ("2026-03-30", "2026-03-31"),
        "yesterday": ("2026-03-29", "2026-03-30"),
        "last_7_days": ("2026-03-23", "2026-03-30"),
        "last_week": ("2026-03-23", "2026-03-30"),
        "this_month": ("2026-03-01", "2026-04-01"),
        "last_month": ("2026-02-01", "2026-03-01"),
    }[name]
    assert tuple(f"{moment:%Y-%m-%d}" for moment in (begin, end)) == told
    assert (begin.hour, end.hour) == tuple(4 if day > "2026-03-08" else 5 for day in told)
