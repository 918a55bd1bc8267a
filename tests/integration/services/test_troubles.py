"""What operators are told of: once when it begins, once when it is over."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.ledgers import make_key
from tests.running import wait_until
from tollhouse import metrics
from tollhouse.services.background.claims import WAITING
from tollhouse.services.models.probes import Probes
from tollhouse.services.models.provider_check import ProviderCheck
from tollhouse.services.troubles import deliveries as trouble_deliveries
from tollhouse.services.troubles.deliveries import TroubleDeliveries
from tollhouse.services.troubles.signs import LEAST_CALLS, Signs, Thresholds
from tollhouse.services.troubles.survey import Queue, Standing, Survey
from tollhouse.services.troubles.troubles import QUIET, Outage, Told, Troubles, document_of
from tollhouse.store.database import Database
from tollhouse.store.records import (
    BackgroundRecord,
    HoldRecord,
    LedgerRecord,
    ProviderRecord,
    ResponseRecord,
    TroubleDeliveryRecord,
    TroubleRecord,
)


class World:
    """A gateway that looks around; its messages are in `told`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lag = 0.0
        self.checks = [ProviderCheck("a", True, 5), ProviderCheck("b", True, 5)]
        self.told: list[Told] = []
        self.deliveries = TroubleDeliveries(database, {"webhook": self.told.append})
        with database.write() as session:
            for name in ("a", "b"):
                session.add(
                    ProviderRecord(
                        id=f"prv_{name}",
                        name=name,
                        preset="openai",
                        base_url=f"https://{name}.example.com",
                        allow_private=False,
                        created_at=database.now(session),
                    )
                )
        self.probe()

    def probe(self) -> None:
        Probes(lambda: self.checks, self.database).run()

    def ails(self, name: str, *, refused: bool = False) -> None:
        self.checks = [
            replace(one, ok=False, problem="It is silent.", refused=refused) if one.name == name else one
            for one in self.checks
        ]
        self.probe()

    def is_well(self) -> None:
        self.checks = [ProviderCheck("a", True, 5), ProviderCheck("b", True, 5)]
        self.probe()

    def look(self) -> list[str]:
        """One look, by whoever leads, and what was told of it."""
        signs = Signs(self.database, Thresholds(), ledger_lag=lambda: self.lag)
        Troubles(self.database, Survey(self.database), signs, ["webhook"]).look()
        before = len(self.told)
        self.deliveries.work_off("webhook", self.told.append)
        return [document_of(one)["type"] + " " + one.kind + " " + one.subject for one in self.told[before:]]

    def pass_time(self, by: timedelta) -> None:
        with self.database.write() as session:
            for row in session.scalars(select(TroubleRecord)):
                row.seen_at -= by
                row.raised_at -= by


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_a_provider_that_is_down_is_told_once_and_once_more_when_it_is_up(world: World) -> None:
    assert world.look() == []
    world.ails("b")
    assert world.look() == ["trouble.raised provider_down b"]
    assert [world.look() for _ in range(3)] == [[], [], []]
    world.is_well()
    assert world.look() == [], "it may come back at once"
    world.pass_time(QUIET)
    assert world.look() == ["trouble.resolved provider_down b"]
    assert world.look() == []
    assert "It was so for" in document_of(world.told[-1])["text"]


def test_what_comes_and_goes_is_one_trouble(world: World) -> None:
    world.ails("a")
    world.look()
    world.is_well()
    assert world.look() == []
    world.ails("a")
    world.pass_time(QUIET / 2)
    assert world.look() == []
    assert world.look() == []
    assert len(world.told) == 1


def test_a_refused_credential_is_another_trouble_than_silence(world: World) -> None:
    world.ails("a", refused=True)
    assert world.look() == ["trouble.raised credential_bad a"]
    text = document_of(world.told[0])["text"]
    assert text == "Credential bad: a. It is silent. `tollhouse providers check` asks again."


def test_a_provider_that_was_taken_away_troubles_nobody(world: World) -> None:
    world.ails("a")
    world.look()
    with world.database.write() as session:
        session.delete(session.get_one(ProviderRecord, "prv_a"))
    world.pass_time(QUIET)
    assert world.look() == ["trouble.resolved provider_down a"]


def test_a_ledger_that_is_behind_is_told(world: World) -> None:
    world.lag = 29.0
    assert world.look() == []
    world.lag = 31.0
    assert world.look() == ["trouble.raised ledger_lag ledger"]


def test_a_provider_whose_calls_fail_is_told_and_not_for_what_its_callers_did(world: World) -> None:
    key = make_key(world.database)
    book(world, key, "a", LEAST_CALLS - 1, "upstream_gone", 502)
    book(world, key, "b", LEAST_CALLS, "upstream_rejected", 400)
    assert world.look() == []
    book(world, key, "a", 1, "ok", 200)
    assert world.look() == ["trouble.raised error_rate a"]
    text = document_of(world.told[0])["text"]
    assert f"{LEAST_CALLS - 1} of the {LEAST_CALLS} calls to a" in text


def test_old_failures_are_forgotten(world: World) -> None:
    book(world, make_key(world.database), "a", 50, "upstream_gone", 502, age=timedelta(minutes=2))
    assert world.look() == []


def test_work_that_nobody_does_is_told_with_its_age(world: World) -> None:
    with world.database.write() as session:
        now = world.database.now(session)
        session.add(response("resp_1", now - timedelta(seconds=301)))
        session.add(background("resp_1"))
    assert world.look() == ["trouble.raised queue_age responses"]


def test_the_survey_tells_what_is_held_and_what_waits(world: World) -> None:
    with world.database.write() as session:
        now = world.database.now(session)
        for number, age in ((1, 100), (2, 50)):
            session.add(response(f"resp_{number}", now - timedelta(seconds=age)))
            session.add(background(f"resp_{number}"))
        session.add(response("resp_3", now - timedelta(seconds=900)))
        session.add(background("resp_3", due_at=now + timedelta(seconds=60)))
        for number in (1, 2):
            session.add(hold(f"hold_{number}", 700, now))
    standing = Survey(world.database).run()
    assert standing.held == 1400
    queue = standing.queues["responses"]
    assert queue.depth == 3
    assert 99 <= queue.age < 130, "the one that is not due yet is not late"
    assert standing.queues["batch_lines"] == Queue(0, 0.0)
    value = metrics.REGISTRY.get_sample_value
    assert value("tollhouse_held_nanodollars") == 1400
    assert value("tollhouse_queue_depth", {"queue": "responses"}) == 3
    assert isinstance(standing, Standing)


def test_two_who_look_at_once_by_mistake_and_a_restart_tell_nothing_twice(world: World) -> None:
    world.ails("a")
    world.look()
    again = TroubleDeliveries(world.database, {"webhook": world.told.append})
    with world.database.write() as session:
        session.execute(update(TroubleDeliveryRecord).values(due_at=world.database.now(session) - timedelta(hours=1)))
    again.work_off("webhook", world.told.append)
    assert len(world.told) == 1


def test_a_receiver_that_fails_is_tried_again_later_and_given_up_at_last(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble_deliveries, "MOST_ATTEMPTS", 3)
    asked: list[str] = []

    def dead(told: Told) -> None:
        asked.append(told.kind)
        raise ConnectionError

    world.ails("a")
    signs = Signs(world.database, Thresholds())
    Troubles(world.database, Survey(world.database), signs, ["webhook"]).look()
    for _ in range(6):
        world.deliveries.work_off("webhook", dead)
        world.deliveries.work_off("webhook", dead)  # not due yet
        with world.database.write() as session:
            past = world.database.now(session) - timedelta(seconds=1)
            session.execute(update(TroubleDeliveryRecord).values(due_at=past))
    assert asked == ["provider_down"] * 3
    with world.database.read() as session:
        (row,) = session.scalars(select(TroubleDeliveryRecord)).all()
    assert row.ended_at is not None
    assert not row.delivered


def test_a_receiver_that_hangs_holds_up_no_other(database: Database) -> None:
    world, goes_on = World(database), threading.Event()
    mail: list[Told] = []

    def hang(told: Told) -> None:
        goes_on.wait(60)

    deliveries = TroubleDeliveries(database, {"webhook": hang, "mail": mail.append})
    world.ails("a")
    signs = Signs(database, Thresholds())
    Troubles(database, Survey(database), signs, ["webhook", "mail"]).look()
    deliveries.start()
    try:
        wait_until(lambda: len(mail) == 1, 30)
    finally:
        goes_on.set()
        deliveries.stop()


def test_a_database_that_is_away_is_told_without_it(database: Database) -> None:
    told: list[Told] = []
    outage = Outage(told.append)
    outage.begins()
    outage.ends()
    assert [document_of(one)["type"] for one in told] == ["trouble.raised", "trouble.resolved"]
    assert {one.kind for one in told} == {"database_away"}


def book(
    world: World, key: str, provider: str, count: int, outcome: str, status: int, age: timedelta = timedelta(0)
) -> None:
    with world.database.write() as session:
        now = world.database.now(session) - age
        for number in range(count):
            session.add(
                LedgerRecord(
                    id=f"led_{provider}_{outcome}_{number}",
                    kind="attempt",
                    request_id=f"req_{provider}_{outcome}_{number}",
                    attempt=1,
                    booked_at=now,
                    started_at=now,
                    key_id=key,
                    model="m",
                    provider=provider,
                    upstream_model="m",
                    format="chat",
                    streamed=False,
                    status=status,
                    outcome=outcome,
                    attempts=1,
                    input_tokens=0,
                    cache_read_tokens=0,
                    cache_write_tokens=0,
                    output_tokens=0,
                    reasoning_tokens=0,
                    estimated=False,
                    latency_us=1,
                )
            )


def response(id: str, created_at: datetime) -> ResponseRecord:
    return ResponseRecord(
        id=id,
        team_id="team_default",
        key_id="key_1",
        thread_id="t",
        created_at=created_at,
        status="queued",
        size=0,
        document={},
        input=[],
    )


def background(id: str, due_at: datetime | None = None) -> BackgroundRecord:
    from datetime import UTC

    return BackgroundRecord(
        id=id,
        team_id="team_default",
        key_id="key_1",
        call={},
        streamed=False,
        state=WAITING,
        attempt=0,
        failures=0,
        last_number=-1,
        expires_at=datetime(2099, 1, 1, tzinfo=UTC),
        due_at=due_at,
    )


def hold(id: str, amount: int, now: datetime) -> HoldRecord:
    return HoldRecord(
        id=id,
        instance_id="ins_1",
        request_id=id,
        attempt=1,
        key_id="key_1",
        model="m",
        provider="a",
        upstream_model="m",
        format="chat",
        streamed=False,
        started_at=now,
        amount=amount,
        input_bound=1,
        taken={},
        held_at=now,
    )
