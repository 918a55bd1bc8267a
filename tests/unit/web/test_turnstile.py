import time

import gevent

from tollhouse.web.turnstile import Turnstile


def test_all_are_let_through_in_the_order_in_which_they_came() -> None:
    turnstile, passed = Turnstile(), []

    def busy(name: str) -> None:
        for _ in range(3):
            turnstile.wait_for_turn()
            passed.append(name)

    gevent.sleep(0.001)  # the loop learns the time: in this process it may not have gone round for minutes
    gevent.joinall([gevent.spawn(busy, name) for name in "abc"], timeout=5, raise_error=True)
    assert "".join(passed) == "abcabcabc"


def test_others_are_served_between_any_two_that_always_have_something_to_do() -> None:
    turnstile, turns = Turnstile(), 0

    def busy() -> None:
        nonlocal turns
        while True:
            turnstile.wait_for_turn()
            turns += 1
            time.sleep(0.001)  # nothing is patched here: it works

    crowd = [gevent.spawn(busy) for _ in range(50)]
    gevent.sleep(0.01)
    seen = []
    for _ in range(10):  # as a transaction that waits for its database ten times
        before = turns
        gevent.sleep(0.0001)
        seen.append(turns - before)
    gevent.killall(crowd)
    assert 0 < max(seen) < 10


def test_who_was_ended_while_waiting_keeps_nobody_else() -> None:
    turnstile, passed = Turnstile(), []
    ended = gevent.spawn(turnstile.wait_for_turn)
    waiting = gevent.spawn(lambda: passed.append(turnstile.wait_for_turn()))
    gevent.sleep(0)
    ended.kill()
    waiting.join(5)
    assert passed == [None]
