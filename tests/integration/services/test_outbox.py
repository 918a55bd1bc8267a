"""What happened is told to those who hear of it, in the transaction in which it happens."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.webhooks import COMPLETED, World
from tollhouse.domain.webhooks import EVENT_TYPES, Event, same_id
from tollhouse.services.outbox import NOBODY, Outbox
from tollhouse.store.database import Database
from tollhouse.store.records import TeamRecord

URL = "https://hooks.example.com/x"


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_a_team_hears_of_itself_and_the_organisation_of_all(world: World) -> None:
    with world.database.write() as session:
        session.add(TeamRecord(id="team_2", name="two", created_at=world.database.now(session)))
    mine, theirs = world.hook(URL), world.hook(URL, team_id="team_2")
    organisations = world.hook(URL, team_id=None)
    world.tell(COMPLETED, Event("provider.down", None, {"provider": "p"}), Event("batch.failed", "team_2", {"id": "b"}))
    assert [one.event_type for one in world.of(mine)] == ["batch.completed"]
    assert [one.event_type for one in world.of(theirs)] == ["batch.failed"]
    assert {one.event_type for one in world.of(organisations)} == {"batch.completed", "provider.down", "batch.failed"}


def test_only_what_is_subscribed_to_is_told(world: World) -> None:
    some, all_ = world.hook(URL, "batch.failed", "key.created"), world.hook(URL, "*")
    world.tell(*(Event(kind, "team_default", {"id": "x"}) for kind in EVENT_TYPES))
    assert {one.event_type for one in world.of(some)} == {"batch.failed", "key.created"}
    assert {one.event_type for one in world.of(all_)} == set(EVENT_TYPES)


def test_all_who_hear_of_one_event_get_the_same_bytes_in_openais_shape(world: World) -> None:
    hooks = [world.hook(URL), world.hook(URL)]
    before = int(time.time())
    world.tell()
    (one,), (other,) = (world.of(hook) for hook in hooks)
    assert one.payload == other.payload
    assert one.event_id == other.event_id != one.id
    assert set(one.payload) == {"id", "object", "created_at", "type", "data"}
    assert (one.payload["id"], one.payload["object"]) == (one.event_id, "event")
    assert before <= one.payload["created_at"] <= time.time()
    assert one.payload["data"] == {"id": "batch_1"}


def test_what_is_rolled_back_is_not_told(world: World) -> None:
    hook = world.hook(URL)

    def change() -> None:
        with world.database.write() as session:
            world.outbox.add(session, COMPLETED)
            raise KeyError

    with pytest.raises(KeyError):
        change()
    assert world.of(hook) == []


def test_nobody_who_is_disabled_or_gone_is_told(world: World) -> None:
    asleep, gone = world.hook(URL), world.hook(URL)
    world.webhooks.change(asleep.id, {"enabled": False})
    world.webhooks.remove(gone.id)
    world.tell()
    world.webhooks.change(asleep.id, {"enabled": True})
    assert world.of(asleep) == []


def test_what_two_tell_is_told_once(world: World) -> None:
    hook = world.hook(URL)
    once = Event("provider.down", "team_default", {}, same_id("provider.down", "p", "12"))
    threads = [threading.Thread(target=world.tell, args=(once,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.of(hook)) == 1


def _eventually(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


def test_a_worker_is_woken_when_it_is_committed_and_not_before(world: World) -> None:
    world.tell()
    world.hook(URL)
    time.sleep(0.05)
    assert world.woken == [], "there was nobody to tell"
    with world.database.write() as session:
        with session.begin_nested():
            world.outbox.add(session, COMPLETED)
        time.sleep(0.05)
        assert world.woken == []
    assert _eventually(lambda: len(world.woken) == 1)


def test_a_worker_that_was_woken_just_now_is_not_woken_again(database: Database) -> None:
    world = World(database)
    world.hook(URL)
    world.tell(*[COMPLETED] * 5)
    assert _eventually(lambda: bool(world.woken))
    time.sleep(0.05)
    assert len(world.woken) == 1


def test_a_redis_that_is_silent_holds_nobody_up(database: Database) -> None:
    silent = threading.Event()
    world = World(database)
    world.outbox = Outbox(database, silent.wait)
    world.hook(URL)
    world.tell()  # and is back
    silent.set()


def test_where_nobody_is_nothing_is_written(world: World) -> None:
    with world.database.write() as session:
        NOBODY.add(session, COMPLETED)
        world.outbox.add(session, COMPLETED)
        assert not session.info
