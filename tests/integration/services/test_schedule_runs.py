"""Schedules on both databases: each time is noted once and its work begun once, whoever is there to do it."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from tests.ledgers import MINT
from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField, NotFound, Unavailable
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.keys.keys import Keys
from tollhouse.services.schedules.kinds import Also, Plan
from tollhouse.services.schedules.runs import LATE, LEASE, MOST_ATTEMPTS, ScheduleRuns
from tollhouse.services.schedules.schedules import Schedules
from tollhouse.store.database import Database
from tollhouse.store.records import LeaseRecord, ScheduleRecord, ScheduleRunRecord

DAILY = "0 6 * * *"


class Kind:
    """Notes what is begun as a row of its own, in the transaction that begins it."""

    name = "noted"
    as_person = False

    def __init__(self, database: Database) -> None:
        self.errors: list[Exception] = []
        self._database = database

    def check(self, plan: Plan, by: Actor) -> None:
        if "wrong" in plan.work:
            raise InvalidField("wrong: it is.", param="wrong")

    def file_of(self, work: Mapping[str, Any]) -> str | None:
        return None

    def begin(self, plan: Plan, due_at: datetime, also: Also) -> None:
        if self.errors:
            raise self.errors.pop(0)

        def change(session: Session) -> None:
            name = f"work-{datetime.now(UTC).timestamp()}"
            session.execute(insert(LeaseRecord).values(name=name, owner=plan.work["of"], until=datetime.now(UTC)))
            also(session, name)

        self._database.put(change)

    def begun(self, of: str = "me") -> int:
        with self._database.read() as session:
            return len(session.scalars(select(LeaseRecord.name).where(LeaseRecord.owner == of)).all())


@pytest.fixture
def kind(database: Database) -> Kind:
    return Kind(database)


@pytest.fixture
def key(keys: Keys) -> str:
    return keys.create("scheduled").id


@pytest.fixture
def schedules(database: Database, kind: Kind) -> Schedules:
    return Schedules(database, Authentication(database, MINT), {"noted": kind})


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def runs(database: Database, kind: Kind, woken: list[str]) -> ScheduleRuns:
    return ScheduleRuns(
        database, Authentication(database, MINT), {"noted": kind}, lambda: woken.append("start_scheduled")
    )


def make(schedules: Schedules, key: str, of: str = "me", **terms: Any) -> str:
    return schedules.create("one", "noted", {"of": of}, DAILY, key_id=key, **terms).id


def make_due(database: Database, ago: timedelta = timedelta(seconds=1)) -> None:
    """All of them were due so long ago."""
    with database.write() as session:
        at = database.now(session) - ago
        session.execute(update(ScheduleRecord).where(~ScheduleRecord.paused).values(next_at=at))


def rows(database: Database) -> list[ScheduleRunRecord]:
    with database.read() as session:
        return list(session.scalars(select(ScheduleRunRecord).order_by(ScheduleRunRecord.id)))


def test_what_is_due_is_noted_moved_on_and_begun_once(
    database: Database, schedules: Schedules, runs: ScheduleRuns, kind: Kind, key: str, woken: list[str]
) -> None:
    id = make(schedules, key)
    assert runs.fire() == 0
    assert woken == []
    make_due(database)
    assert (runs.fire(), runs.fire()) == (1, 0)
    assert woken == ["start_scheduled"]
    following = schedules.get(id).next_at
    assert following is not None
    assert following > datetime.now(UTC)
    assert following.hour == 6
    assert (runs.start(), runs.start()) == (1, 0)
    (run,) = runs.page(id, 10).items
    assert (run.state, run.error, kind.begun()) == ("started", None, 1)
    assert run.work_id is not None
    assert run.started_at is not None
    assert not runs.any_due()


def test_of_many_who_fire_and_start_at_once_one_does(
    database: Database, schedules: Schedules, runs: ScheduleRuns, kind: Kind, key: str
) -> None:
    for number in range(12):
        make(schedules, key, of=f"of {number}")
    make_due(database)
    with ThreadPoolExecutor(6) as pool:
        fired = list(pool.map(lambda _: runs.fire(), range(6)))
        started = list(pool.map(lambda _: runs.start(), range(6)))
    assert (sum(fired), sum(started)) == (12, 12)
    assert [kind.begun(f"of {number}") for number in range(12)] == [1] * 12


def test_who_is_late_begins_nothing(
    database: Database, schedules: Schedules, runs: ScheduleRuns, kind: Kind, key: str
) -> None:
    """One has taken the run and stands still; when its lease is over another begins it, and then the first goes on."""
    id = make(schedules, key)
    make_due(database)
    runs.fire()
    begin, second = kind.begin, []

    def slowly(plan: Plan, due_at: datetime, also: Also) -> None:
        kind.begin = begin  # type: ignore[method-assign]
        assert runs.start() == 0
        with database.write() as session:
            session.execute(update(ScheduleRunRecord).values(lease_until=database.now(session) - LEASE))
        second.append(runs.start())
        begin(plan, due_at, also)

    kind.begin = slowly  # type: ignore[method-assign]
    assert runs.start() == 0
    assert (second, kind.begun()) == ([1], 1)
    assert [run.state for run in runs.page(id, 10).items] == ["started"]


@pytest.mark.parametrize(("missed", "state"), [("run", "due"), ("skip", "skipped")])
def test_a_time_that_was_missed_is_run_once_or_skipped_as_is_said(
    database: Database, schedules: Schedules, runs: ScheduleRuns, key: str, missed: str, state: str
) -> None:
    id = make(schedules, key, missed=missed)
    make_due(database, timedelta(days=3))
    assert (runs.fire(), runs.fire()) == (1, 0)
    assert [run.state for run in runs.page(id, 10).items] == [state]
    make_due(database, LATE / 2)
    runs.fire()
    assert [run.state for run in runs.page(id, 10).items] == ["due", state]


def test_while_it_is_paused_nothing_is_due_and_nothing_is_made_up_for(
    database: Database, schedules: Schedules, runs: ScheduleRuns, key: str
) -> None:
    id = make(schedules, key)
    assert schedules.change(id, {"paused": True}).next_at is None
    make_due(database, timedelta(days=3))
    assert runs.fire() == 0
    resumed = schedules.change(id, {"paused": False}).next_at
    assert resumed is not None
    assert resumed > datetime.now(UTC)
    assert runs.fire() == 0


def test_a_schedule_that_changes_while_it_is_looked_at_is_not_begun_by_its_old_timetable(
    database: Database, schedules: Schedules, runs: ScheduleRuns, key: str
) -> None:
    id = make(schedules, key)
    make_due(database)
    with database.read() as session:
        seen = session.get_one(ScheduleRecord, id)
    schedules.change(id, {"cron": "0 7 * * *"})
    assert runs._fire(seen) is False
    assert rows(database) == []


def test_what_cannot_be_begun_is_told_in_the_history(
    database: Database, schedules: Schedules, runs: ScheduleRuns, kind: Kind, keys: Keys, key: str
) -> None:
    id = make(schedules, key)
    make_due(database)
    runs.fire()
    kind.errors = [NotFound("There is no file.")]
    assert runs.start() == 0
    (run,) = runs.page(id, 10).items
    assert (run.state, run.error, run.work_id) == ("failed", "There is no file.", None)
    keys.revoke(key)
    make_due(database)
    runs.fire()
    runs.start()
    assert "no right" in (runs.page(id, 10).items[0].error or "")
    assert kind.begun() == 0


def test_what_passes_is_tried_again_but_not_for_ever(
    database: Database, schedules: Schedules, runs: ScheduleRuns, kind: Kind, key: str
) -> None:
    id = make(schedules, key)
    make_due(database)
    runs.fire()
    kind.errors = [Unavailable("away")]
    assert runs.start() == 0
    assert runs.page(id, 10).items[0].state == "due"
    with database.write() as session:
        session.execute(update(ScheduleRunRecord).values(lease_until=None))
    assert runs.start() == 1
    make_due(database)
    runs.fire()
    kind.errors = [Unavailable("away")] * MOST_ATTEMPTS
    for _ in range(MOST_ATTEMPTS):
        with database.write() as session:
            session.execute(update(ScheduleRunRecord).values(lease_until=None))
        runs.start()
    assert (runs.page(id, 10).items[0].state, runs.page(id, 10).items[0].error) == ("failed", "away")


def test_a_removed_schedule_begins_nothing_more(
    database: Database, schedules: Schedules, runs: ScheduleRuns, kind: Kind, key: str
) -> None:
    id = make(schedules, key)
    make_due(database)
    runs.fire()
    schedules.remove(id)
    assert runs.start() == 0
    assert [row.state for row in rows(database)] == ["failed"]
    assert kind.begun() == 0
    with pytest.raises(NotFound):
        runs.page(id, 10)


def test_it_can_be_run_beside_its_timetable_and_its_history_is_read_page_by_page(
    schedules: Schedules, runs: ScheduleRuns, kind: Kind, key: str
) -> None:
    id = make(schedules, key, paused=True)
    made = [runs.run_now(id).id for _ in range(5)]
    assert (runs.start(), kind.begun()) == (5, 5)
    seen: list[str] = []
    after = None
    while True:
        page = runs.page(id, 2, after)
        seen += [run.id for run in page.items]
        if (after := page.next) is None:
            break
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "* * * *"}, "cron"),
        ({"cron": "* * * * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"timezone": "Mars/Phobos"}, "timezone"),
        ({"missed": "perhaps"}, "missed"),
        ({"name": " "}, "name"),
        ({"kind": "report"}, "kind"),
        ({"key_id": None}, "key_id"),
        ({"work": {"wrong": 1}}, "work.wrong"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    database: Database, schedules: Schedules, key: str, changes: dict[str, Any], param: str
) -> None:
    terms = {"name": "one", "kind": "noted", "work": {"of": "me"}, "cron": DAILY, "key_id": key, **changes}
    with pytest.raises(InvalidField) as refused:
        schedules.create(**terms)
    assert refused.value.param == param
    if param in ("cron", "timezone", "missed", "name", "work.wrong"):
        id = make(schedules, key)
        before = schedules.get(id)
        with pytest.raises(InvalidField):
            schedules.change(id, changes)
        assert schedules.get(id) == before
    with suppress(NotFound):
        schedules.get("sch_none")
