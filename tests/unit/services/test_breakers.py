"""Breakers: when they open, how long, and what closes them."""

import pytest

from tollhouse.domain.errors import DeploymentResting
from tollhouse.domain.routes import Host, Target
from tollhouse.services.calls.breakers import Breakers

TARGET = Target("m", "m", Host("prv_1", "host", "openai", "http://host"), None, deployment="dep_1")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(3, 10.0, clock)


def is_open(breakers: Breakers) -> bool:
    try:
        breakers.check(TARGET)
    except DeploymentResting:
        return True
    return False


def test_it_opens_at_the_last_failure_that_it_takes_and_says_when_to_come_back(breakers: Breakers) -> None:
    for _ in range(2):
        breakers.failed(TARGET)
        assert not is_open(breakers)
    breakers.failed(TARGET)
    with pytest.raises(DeploymentResting, match="failed 3 times") as raised:
        breakers.check(TARGET)
    assert (raised.value.retry_after, breakers.state("dep_1")) == (10.0, "open")


def test_a_success_in_between_counts_from_the_start_again(breakers: Breakers) -> None:
    for _ in range(5):
        breakers.failed(TARGET)
        breakers.failed(TARGET)
        breakers.succeeded(TARGET)
    assert not is_open(breakers)


def test_failures_that_are_far_apart_are_not_in_a_row(breakers: Breakers, clock: Clock) -> None:
    for _ in range(6):
        breakers.failed(TARGET)
        clock.now += 61
    assert not is_open(breakers)


def test_when_its_rest_is_over_one_call_tries_it_and_closes_it(breakers: Breakers, clock: Clock) -> None:
    for _ in range(3):
        breakers.failed(TARGET)
    clock.now += 10
    assert breakers.state("dep_1") == "half-open"
    assert [is_open(breakers) for _ in range(3)] == [False, True, True]
    breakers.succeeded(TARGET)
    assert breakers.state("dep_1") == "closed"
    assert not is_open(breakers)


def test_a_trial_that_fails_doubles_the_rest_up_to_eight_times(breakers: Breakers, clock: Clock) -> None:
    for _ in range(3):
        breakers.failed(TARGET)
    for rest in (10, 20, 40, 80, 80):
        clock.now += rest - 0.5
        assert is_open(breakers)
        clock.now += 0.5
        assert not is_open(breakers)
        breakers.failed(TARGET)


def test_a_trial_that_nobody_hears_of_again_is_followed_by_another(breakers: Breakers, clock: Clock) -> None:
    for _ in range(3):
        breakers.failed(TARGET)
    clock.now += 10
    assert not is_open(breakers)
    assert is_open(breakers)
    clock.now += 10
    assert not is_open(breakers)


def test_calls_that_were_under_way_when_it_opened_do_not_prolong_its_rest(breakers: Breakers, clock: Clock) -> None:
    for _ in range(9):
        breakers.failed(TARGET)
    clock.now += 10
    assert not is_open(breakers)


def test_without_a_number_of_failures_it_never_opens(clock: Clock) -> None:
    never = Breakers(0, 10.0, clock)
    for _ in range(50):
        never.failed(TARGET)
    assert not is_open(never)
