"""How long a client is waited for. That the socket keeps to it is tested over real connections."""

import gevent
import gevent.socket
import pytest

from tollhouse.web.client_socket import LEAST_BYTES_PER_SECOND, TURN_BYTES, ClientSocket, Pace
from tollhouse.web.entrance import Entrance
from tollhouse.web.turnstile import Turnstile


def test_each_wait_may_take_as_long_as_a_stall() -> None:
    assert Pace(30).patience() == 30


def test_all_waits_together_may_take_twice_as_long() -> None:
    pace = Pace(30)
    pace.moved(1, 25)
    pace.moved(1, 25)
    assert pace.patience() == pytest.approx(10)
    pace.moved(1, 10)
    assert pace.patience() <= 0


def test_who_is_fast_enough_may_go_on() -> None:
    pace = Pace(30)
    for _ in range(100):
        pace.moved(29 * LEAST_BYTES_PER_SECOND, 29)
    assert pace.patience() == pytest.approx(0)
    pace.moved(10 * LEAST_BYTES_PER_SECOND, 0)
    assert pace.patience() == pytest.approx(10)


def test_an_end_is_only_ever_brought_nearer() -> None:
    pace = Pace(30)
    pace.end_in(5)
    assert 4 < pace.patience() <= 5
    pace.end_in(0)
    pace.end_in(5)
    assert pace.patience() <= 0


def test_a_reply_that_never_has_to_wait_lets_others_have_their_turn() -> None:
    accepted, client = gevent.socket.socketpair()
    others = 0

    def others_work() -> None:
        nonlocal others
        while True:
            others += 1
            gevent.sleep(0)

    working = gevent.spawn(others_work)
    server = ClientSocket(accepted, 30, Turnstile(), Entrance())
    for _ in range(5 * TURN_BYTES // 128):
        server.sendall(b"x" * 128)
        client.recv(128)  # is there, and is no wait
    seen = others
    working.kill()
    server.close()
    client.close()
    assert seen >= 5
