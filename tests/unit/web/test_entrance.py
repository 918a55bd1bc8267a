"""Calls that come at once begin a few in each round of the loop, and others are served in between."""

from itertools import pairwise

import gevent

from tollhouse.web.entrance import Entrance


def crowd(entrance: Entrance, size: int) -> tuple[list[int], list[int]]:
    """In which order they began, and how many had at each look of somebody else."""
    began: list[int] = []
    looks: list[int] = []

    def call(number: int) -> None:
        entrance.enter()
        began.append(number)

    def look() -> None:
        while len(began) < size:
            looks.append(len(began))
            gevent.sleep(0)

    gevent.sleep(0.001)
    calls = [gevent.spawn(call, number) for number in range(size)]
    calls.append(gevent.spawn(look))
    gevent.joinall(calls, timeout=20, raise_error=True)
    return began, looks


def test_where_few_come_at_once_nobody_waits() -> None:
    entrance = Entrance(5)
    began, looks = crowd(entrance, 5)
    assert began == [0, 1, 2, 3, 4]
    assert looks in ([], [5])
    assert entrance.waiting == 0


def test_of_many_a_few_begin_in_each_round_in_the_order_in_which_they_came() -> None:
    entrance = Entrance(4)
    began, looks = crowd(entrance, 50)
    assert began == list(range(50))
    assert len(looks) >= 10
    steps = [after - before for before, after in pairwise(looks)]
    assert max(steps) <= 8
    assert entrance.waiting == 0


def test_those_who_come_later_do_not_go_before_those_who_wait() -> None:
    entrance, began = Entrance(1), []

    def call(name: str) -> None:
        entrance.enter()
        began.append(name)

    early = [gevent.spawn(call, f"early {number}") for number in range(3)]
    gevent.sleep(0)
    late = gevent.spawn(call, "late")
    gevent.joinall([*early, late], timeout=20, raise_error=True)
    assert began == ["early 0", "early 1", "early 2", "late"]


def test_who_was_ended_while_waiting_keeps_nobody_else() -> None:
    entrance, began = Entrance(1), []
    entrance.enter()
    ended = gevent.spawn(entrance.enter)
    waiting = gevent.spawn(lambda: began.append(entrance.enter()))
    gevent.sleep(0)
    ended.kill()
    waiting.join(20)
    assert began == [None]
