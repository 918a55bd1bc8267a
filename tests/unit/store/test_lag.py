import time

import pytest

from tollhouse import metrics
from tollhouse.store.ledger import lag as module
from tollhouse.store.ledger.lag import Lag


def told() -> tuple[float | None, float | None]:
    value = metrics.REGISTRY.get_sample_value
    return value("tollhouse_ledger_lag_seconds"), value("tollhouse_ledger_queue_depth")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    return now


def test_it_grows_while_turns_leave_something_and_is_nothing_once_one_writes_all(clock: list[float]) -> None:
    lag = Lag()
    lag.look(3, behind=False)
    assert told() == (0, 3), "what came meanwhile is not left"
    for _ in range(5):
        clock[0] += 2
        lag.look(300, behind=True)
    assert told() == (8, 300)
    clock[0] += 0.1
    lag.look(0, behind=False)
    assert told() == (0, 0)


def test_it_is_told_of_a_turn_that_hangs(clock: list[float]) -> None:
    lag = Lag()
    began = clock[0]
    clock[0] += 7
    lag.hangs(began)
    assert told()[0] == 7


def test_it_is_told_once_a_second_however_many_turns_there_are(clock: list[float]) -> None:
    lag = Lag()
    lag.look(1, behind=False)
    clock[0] += 0.5
    lag.look(2, behind=False)
    assert told()[1] == 1
    clock[0] += 0.6
    lag.look(2, behind=False)
    assert told()[1] == 2
    assert time.monotonic() != clock[0]
