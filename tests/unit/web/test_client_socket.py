"""How long a client is waited for. That the socket keeps to it is tested over real connections."""

import pytest

from tollhouse.web.client_socket import LEAST_BYTES_PER_SECOND, Pace


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
