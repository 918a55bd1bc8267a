"""The memory for request bodies: what is granted, what waits, what is refused, and that all of it comes back."""

from collections.abc import Callable

import gevent
import pytest

from tollhouse.domain.errors import Overloaded, TooLarge
from tollhouse.web import body_memory
from tollhouse.web.body_memory import BodyMemory, BodyRoom


def read(memory: BodyMemory, size: int) -> BodyRoom:
    """A room whose body is here."""
    room = memory.room()
    room.expect(size)
    room.came(size)
    return room


def test_a_body_is_counted_until_its_room_is_closed() -> None:
    memory = BodyMemory(100)
    room = read(memory, 30)
    room.work(60)
    assert memory.used == 90
    room.close()
    room.close()
    assert memory.used == 0


def test_a_room_shrinks_to_what_is_still_needed() -> None:
    memory = BodyMemory(100)
    room = read(memory, 30)
    room.work(60)
    sizes = []
    for size in (200, 50, 10, 40, 0):
        room.shrink(size)
        sizes.append(memory.used)
    assert sizes == [90, 50, 10, 10, 0]


def test_bodies_on_their_way_leave_half_to_those_that_are_here() -> None:
    memory = BodyMemory(100, wait_seconds=0.01)
    first = read(memory, 50)
    with pytest.raises(Overloaded) as refused:
        memory.room().expect(1)
    assert refused.value.status == 503
    assert refused.value.retry_after
    first.work(50)
    assert memory.used == 100


def test_what_never_fits_is_too_large_and_does_not_wait() -> None:
    memory = BodyMemory(100, wait_seconds=60)
    with pytest.raises(TooLarge, match="TOLLHOUSE_BODY_MEMORY_BYTES"):
        memory.room().expect(51)
    room = read(memory, 50)
    with pytest.raises(TooLarge):
        room.work(101)


def test_who_waits_is_served_as_soon_as_there_is_room_and_in_order() -> None:
    memory = BodyMemory(100)
    first = read(memory, 50)
    served: list[str] = []

    def wait(name: str, size: int) -> None:
        read(memory, size)
        served.append(name)

    greenlets = [gevent.spawn(wait, "large", 40), gevent.spawn(wait, "small", 5)]
    gevent.sleep(0)
    assert served == []
    first.close()
    gevent.joinall(greenlets, timeout=1)
    assert served == ["large", "small"]


def test_a_body_that_is_here_goes_before_those_that_are_not() -> None:
    memory = BodyMemory(100)
    here, other = read(memory, 20), read(memory, 30)
    other.work(50)
    served: list[str] = []

    def run(name: str, what: Callable[[], object]) -> None:
        what()
        served.append(name)

    greenlets = [
        gevent.spawn(run, "on its way", lambda: read(memory, 30)),
        gevent.spawn(run, "here", lambda: here.work(40)),
    ]
    gevent.sleep(0)
    other.close()
    gevent.joinall(greenlets, timeout=1)
    assert served == ["here", "on its way"]


def test_what_was_set_aside_for_a_body_that_does_not_come_goes_to_those_who_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_memory, "STALLED_SECONDS", 0.02)
    memory = BodyMemory(100, wait_seconds=2)
    stalled = memory.room()
    stalled.expect(50)
    stalled.came(10)
    read(memory, 40)
    assert memory.used == 50


@pytest.mark.parametrize("served", [False, True])
def test_who_leaves_while_waiting_gives_all_back(served: bool) -> None:
    memory = BodyMemory(100)
    first = read(memory, 50)

    def wait() -> None:
        room = memory.room()
        try:
            room.expect(50)
            gevent.sleep(10)
        finally:
            room.close()

    waiting = gevent.spawn(wait)
    gevent.sleep(0)
    if served:
        first.close()
        assert memory.used == 50
    waiting.kill()
    first.close()
    assert memory.used == 0
    memory.take(50, whole=False)


def test_a_refusal_lets_those_behind_it_have_their_turn() -> None:
    memory = BodyMemory(100, wait_seconds=0.05)
    read(memory, 30)
    large = gevent.spawn(memory.room().expect, 40)
    gevent.sleep(0.02)
    small = gevent.spawn(memory.room().expect, 10)
    gevent.joinall([large, small], timeout=1)
    assert isinstance(large.exception, Overloaded)
    assert small.successful()
