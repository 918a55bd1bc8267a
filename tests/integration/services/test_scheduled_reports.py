"""Reports that schedules send: once, to people who may read them then, and what becomes of them is told."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tests.integration.services.conftest import utc
from tollhouse.domain.actor import SHELL, Actor
from tollhouse.domain.errors import Forbidden, InvalidField, TollhouseError, UpstreamGone
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Attachment
from tollhouse.domain.principal import Principal
from tollhouse.domain.rights import Role
from tollhouse.services.people.teams import Teams
from tollhouse.services.reports.report_delivery import ReportDelivery
from tollhouse.services.reports.reports import Reports
from tollhouse.services.reports.response_times import ResponseTimes
from tollhouse.services.reports.scheduled_reports import LEASE, PAUSES, ScheduledReports
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store.archive import NO_ARCHIVE
from tollhouse.store.database import Database
from tollhouse.store.records import MembershipRecord, ReportDeliveryRecord, UserRecord
from tollhouse.store.searches import Searches
from tollhouse.table_files import write

HOOK = "https://hooks.example/x"
WEEK = {"report": "usage", "by": ["team"], "period": "last_week"}
LONG = 60.0


class Receivers:
    """A mail server and a webhook, which fail as long as they have errors to raise."""

    def __init__(self) -> None:
        self.mails: list[tuple[Sequence[str], str, Sequence[Attachment]]] = []
        self.posts: list[Mapping[str, Any]] = []
        self.mail_errors: list[Exception] = []
        self.post_errors: list[BaseException] = []

    def send(self, to: str, subject: str, text: str) -> None:
        raise AssertionError("whoever delivers must know that it arrived")

    def deliver(self, to: Sequence[str], subject: str, text: str, files: Sequence[Attachment] = ()) -> None:
        if self.mail_errors:
            raise self.mail_errors.pop(0)
        self.mails.append((to, subject, files))

    def post(self, url: str, document: Mapping[str, Any]) -> None:
        if self.post_errors:
            raise self.post_errors.pop(0)
        self.posts.append(document)

    def close(self) -> None:
        pass


class World:
    """A gateway's reports, and people in teams."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.receivers = Receivers()
        searches = Searches(database)
        reports = Reports(database, UsageReport(searches), ResponseTimes(searches, NO_ARCHIVE))
        delivery = ReportDelivery(database, reports, write, self.receivers, self.receivers.post)
        self.woken: list[str] = []
        self.reports = ScheduledReports(
            database, delivery, check_url=self._check, has_mail=True, wake=lambda: self.woken.append("deliver_reports")
        )
        self.red, self.blue = (Teams(database).create(name).id for name in ("red", "blue"))

    def _check(self, url: str) -> None:
        if not url.startswith("https://"):
            raise InvalidField("url: it must be https.", param="url")

    def person(self, email: str, **roles: Role) -> Principal:
        """Somebody with these roles, by team, or in the `organisation`."""
        id, now = new_id("usr"), datetime.now(UTC)
        teams = {"red": self.red, "blue": self.blue, "organisation": None}
        with self.database.write() as session:
            session.add(UserRecord(id=id, email=email, password_hash="", created_at=now))
            session.flush()
            session.add_all(
                MembershipRecord(id=new_id("mbr"), user_id=id, team_id=teams[team], role=role, created_at=now)
                for team, role in roles.items()
            )
        return Principal(id, email, team_id=self.red, user_id=id)

    def leave(self, person: Principal, team_id: str | None) -> None:
        whose = MembershipRecord.team_id.is_(None) if team_id is None else MembershipRecord.team_id == team_id
        with self.database.write() as session:
            session.execute(delete(MembershipRecord).where(MembershipRecord.user_id == person.user_id, whose))

    def queue(self, owner: Principal, work: Mapping[str, Any], as_of: datetime | None = None, zone: str = "UTC") -> str:
        ids: list[str] = []
        self.reports.queue(owner, work, zone, as_of or datetime.now(UTC), lambda session, id: ids.append(id))
        return ids[0]

    def send(self) -> None:
        """Attempt what waits, as if its time had come."""
        with self.database.write() as session:
            session.execute(update(ReportDeliveryRecord).values(due_at=self.database.now(session)))
        assert self.reports.send_due(LONG) is False

    def row(self, id: str) -> ReportDeliveryRecord:
        with self.database.read() as session:
            return session.get_one(ReportDeliveryRecord, id)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_what_was_queued_is_mailed_and_posted_and_then_nobody_knows_to_whom(
    world: World, book: Callable[..., str]
) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    world.person("bob@example.com", red=Role.BILLING_VIEWER)
    book(utc(2026, 3, 5), team_id=world.red, cost=5)
    book(utc(2026, 3, 5), team_id=world.blue, cost=70)
    work = {**WEEK, "emails": ["bob@example.com", "ada@example.com"], "url": HOOK, "format": "json"}
    id = world.queue(ada, work, utc(2026, 3, 9, 6))
    assert world.woken == ["deliver_reports"]
    assert world.reports.any_due()
    world.send()
    ((to, subject, (file,)),) = world.receivers.mails
    assert to == ["bob@example.com", "ada@example.com"]
    assert subject == "Tollhouse report: usage by team, last week (UTC)"
    assert file.name == "usage.json"
    (document,) = world.receivers.posts
    assert (document["id"], document["rows"][0]["cost_usd"]) == (id, "0.000000005")
    assert [row["team"] for row in document["rows"]] == [world.red], "what the owner may not see is not in it"
    row = world.row(id)
    assert (row.state, row.error, row.work) == ("completed", None, {"report": "usage"})
    assert not world.reports.any_due()


def test_it_is_of_the_time_that_was_due_in_the_zone_of_the_schedule(world: World, book: Callable[..., str]) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    # Midnights of Berlin, on the day on which its clocks go forward.
    for moment, cost in ((utc(2026, 3, 28, 23), 1), (utc(2026, 3, 29, 21, 59), 20), (utc(2026, 3, 29, 22), 300)):
        book(moment, team_id=world.red, cost=cost)
    work = {"report": "usage", "by": ["team"], "period": "yesterday", "url": HOOK}
    world.queue(ada, work, utc(2026, 3, 29, 22, 30), "Europe/Berlin")
    world.send()
    (document,) = world.receivers.posts
    assert (document["since"], document["until"]) == ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")
    assert document["rows"][0]["cost_usd"] == "0.000000021"


def test_of_many_who_send_at_once_one_does(world: World) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    for _ in range(3):
        world.queue(ada, {**WEEK, "emails": ["ada@example.com"]})
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: world.reports.send_due(LONG), range(4))) == [False] * 4
    assert len(world.receivers.mails) == 3


def test_who_lost_the_right_to_read_a_report_has_it_sent_to_nobody(world: World) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER, blue=Role.MEMBER)
    work = {**WEEK, "team_id": world.blue, "url": HOOK}
    ids = [world.queue(ada, work), world.queue(ada, {**WEEK, "url": HOOK})]
    world.leave(ada, world.blue)
    world.send()
    assert world.row(ids[0]).state == "failed"
    assert "no team" in (world.row(ids[0]).error or "")
    assert world.row(ids[1]).state == "completed", "of what they may see it goes on"
    assert len(world.receivers.posts) == 1
    world.leave(ada, world.red)
    last = world.queue(ada, {**WEEK, "url": HOOK})
    world.send()
    assert world.row(last).state == "failed"
    assert len(world.receivers.posts) == 1


def test_who_may_not_read_it_any_more_is_left_out_and_that_is_told_without_a_name(world: World) -> None:
    ada, bob = (world.person(f"{name}@example.com", red=Role.MEMBER) for name in ("ada", "bob"))
    both = {**WEEK, "emails": ["ada@example.com", "bob@example.com"]}
    ids = [world.queue(ada, both), world.queue(ada, {**WEEK, "emails": ["bob@example.com"]})]
    with world.database.write() as session:
        session.execute(update(UserRecord).where(UserRecord.id == bob.user_id).values(disabled_at=datetime.now(UTC)))
    world.send()
    assert [to for to, *_ in world.receivers.mails] == [["ada@example.com"]]
    rows = [world.row(id) for id in ids]
    assert [row.state for row in rows] == ["incomplete", "failed"]
    assert rows[0].error == "Not mailed to 1 who may not read it any more."
    assert "bob" not in f"{rows[0].error}{rows[1].error}"


def test_what_fails_is_tried_again_without_what_arrived_and_then_told(world: World) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    id = world.queue(ada, {**WEEK, "emails": ["ada@example.com"], "url": HOOK})
    world.receivers.post_errors = [UpstreamGone("hooks.example closed the connection without an answer.")] * 4
    world.receivers.mail_errors = [ConnectionRefusedError("no")]
    world.reports.send_due(LONG)
    row = world.row(id)
    assert (row.state, row.mailed, row.posted) == ("queued", False, False)
    assert row.error == (
        "The mail server did not take it (ConnectionRefusedError). "
        "hooks.example closed the connection without an answer."
    )
    assert row.due_at - datetime.now(UTC) > PAUSES[0] / 2, "not at once"
    for _ in range(len(PAUSES)):
        assert world.row(id).state == "queued"
        world.send()
    row = world.row(id)
    assert (row.state, row.mailed, row.posted, row.attempt) == ("incomplete", True, False, len(PAUSES) + 1)
    assert len(world.receivers.mails) == 1
    world.receivers.post_errors = [UpstreamGone("gone")]
    again = world.queue(ada, {**WEEK, "url": HOOK})
    world.send()
    world.send()
    assert (world.row(again).state, world.row(again).error) == ("completed", None)


def test_what_can_never_be_made_is_not_tried_again(world: World) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    id = world.queue(ada, {**WEEK, "by": ["colour"], "url": HOOK})
    world.send()
    row = world.row(id)
    assert (row.state, row.attempt) == ("failed", 1)
    assert "by: it must be one of" in (row.error or "")


def test_a_process_that_dies_while_it_sends_leaves_no_second_mail(world: World) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    id = world.queue(ada, {**WEEK, "url": HOOK})
    world.receivers.post_errors = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        world.reports.send_due(LONG)
    assert world.row(id).due_at - datetime.now(UTC) > LEASE / 2, "it is this process's for a while"
    assert not world.reports.any_due()
    world.send()
    row = world.row(id)
    assert (row.state, world.receivers.posts) == ("failed", [])
    assert "whether the webhook arrived is not known" in (row.error or "")


def test_what_ends_every_process_that_makes_it_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    id = world.queue(ada, {**WEEK, "url": HOOK})

    def die(*given: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(ReportDelivery, "make", die)
    for _ in range(len(PAUSES) + 1):
        with pytest.raises(KeyboardInterrupt):
            world.send()
    world.send()
    assert (world.row(id).state, world.receivers.posts) == ("failed", [])
    assert "each time" in (world.row(id).error or "")


def test_who_is_late_sends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One has made the report and stands still; when its lease is over another sends it, and then the first goes on."""
    ada = world.person("ada@example.com", red=Role.MEMBER)
    id = world.queue(ada, {**WEEK, "url": HOOK})
    make, made = ReportDelivery.make, threading.Event()

    def slowly(self: ReportDelivery, *given: Any, **more: Any) -> Any:
        if not made.is_set():
            made.set()
            world.send()
        return make(self, *given, **more)

    monkeypatch.setattr(ReportDelivery, "make", slowly)
    world.reports.send_due(LONG)
    assert (len(world.receivers.posts), world.row(id).state, world.row(id).attempt) == (1, "completed", 2)


def test_what_is_cancelled_is_not_sent(world: World) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    id = world.queue(ada, {**WEEK, "url": HOOK})
    with world.database.write() as session:
        session.execute(update(ReportDeliveryRecord).values(state="cancelled"))
    world.send()
    assert (world.receivers.posts, world.row(id).state) == ([], "cancelled")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"report": "gossip"}, "report"),
        ({"report": None}, "report"),
        ({"by": ["colour"]}, "by"),
        ({"by": "team"}, "by"),
        ({"by": ["team", "team"]}, "by"),
        ({"period": None}, "period"),
        ({"period": "soon"}, "period"),
        ({"report": "forecast"}, "period"),
        ({"report": "anomalies", "by": ["key"], "factor": 0.5}, "factor"),
        ({"report": "anomalies", "by": ["key"], "factor": "5"}, "factor"),
        ({"report": "latency", "by": ["day"]}, "by"),
        ({"report": "chargeback", "by": ["tag"], "period": None}, "by"),
        ({"format": "pdf"}, "format"),
        ({"emails": "ada@example.com"}, "emails"),
        ({"emails": [5]}, "emails"),
        ({"emails": ["ada"]}, "emails"),
        ({"emails": []}, "emails"),
        ({"emails": ["stranger@example.com"]}, "emails"),
        ({"emails": ["blue@example.com"]}, "emails"),
        ({"emails": ["out@example.com"]}, "emails"),
        ({"url": "http://hooks.example"}, "url"),
        ({"url": 5}, "url"),
        ({"team_id": "team_none"}, "team_id"),
        ({"timezone": "Europe/Berlin"}, "timezone"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_could_not_be_sent_is_refused_by_its_field(world: World, changes: dict[str, Any], param: str) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)
    world.person("blue@example.com", blue=Role.OWNER)
    out = world.person("out@example.com", red=Role.OWNER)
    with world.database.write() as session:
        session.execute(update(UserRecord).where(UserRecord.id == out.user_id).values(disabled_at=datetime.now(UTC)))
    good = {**WEEK, "emails": ["ada@example.com"]}
    world.reports.check(ada, good, "Europe/Berlin", SHELL)
    with pytest.raises(TollhouseError) as refused:
        world.reports.check(ada, {**good, **changes}, "Europe/Berlin", SHELL)
    assert refused.value.param == param


def test_nobody_plans_with_somebody_elses_rights_what_they_may_not_read(world: World) -> None:
    """Whoever may change a team's schedules must not send themselves what its owner sees of other teams."""
    ada = world.person("ada@example.com", red=Role.MEMBER, organisation=Role.OWNER)
    bob = Actor("person", "usr_bob", teams={world.red: Role.OWNER})
    world.reports.check(ada, {**WEEK, "team_id": world.red, "url": HOOK}, "UTC", bob)
    for more in ({}, {"team_id": world.blue}):
        with pytest.raises(Forbidden):
            world.reports.check(ada, {**WEEK, **more, "url": HOOK}, "UTC", bob)


def test_a_report_of_all_teams_goes_to_whoever_may_see_all_of_them(world: World) -> None:
    boss = world.person("boss@example.com", organisation=Role.OWNER)
    world.person("red@example.com", red=Role.OWNER, blue=Role.OWNER)
    world.person("books@example.com", organisation=Role.BILLING_VIEWER)
    world.reports.check(boss, {**WEEK, "emails": ["books@example.com"]}, "UTC", SHELL)
    with pytest.raises(InvalidField, match=r"red@.* is nobody here who may read this report"):
        world.reports.check(boss, {**WEEK, "emails": ["books@example.com", "red@example.com"]}, "UTC", SHELL)


def test_a_row_and_what_begins_it_are_one_change(world: World) -> None:
    ada = world.person("ada@example.com", red=Role.MEMBER)

    def fail(session: Session, id: str) -> None:
        raise RuntimeError("somebody else has begun it")

    with pytest.raises(RuntimeError):
        world.reports.queue(ada, {**WEEK, "url": HOOK}, "UTC", datetime.now(UTC), fail)
    with world.database.read() as session:
        assert session.scalars(select(ReportDeliveryRecord.id)).all() == []
