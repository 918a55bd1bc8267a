"""Which attempt is next, and after what pause."""

from typing import Any

import pytest

from tollhouse.domain.errors import UpstreamRefused, UpstreamRejected, UpstreamTimeout
from tollhouse.services.calls.tries import RetryPolicy, Tries

A: Any = ("a", None)
B: Any = ("b", None)
BUSY = UpstreamRejected("x", status=503)


def tries(*choices: Any, retries: int = 2, seconds: float = 60.0) -> Tries:
    return Tries(choices, RetryPolicy(retries, seconds, 0.5), began=0.0)


def order(of: Tries, error: Any = BUSY) -> list[str]:
    tried = []
    now = 0.0
    while (one := of.next(now)) is not None:
        tried.append(one.choice[0])
        now += one.pause
        of.failed(one.choice, error, now)
    return tried


def test_all_are_tried_once_and_then_again_as_often_as_the_policy_says() -> None:
    tried = order(tries(A, B))
    assert tried[:2] == ["a", "b"]
    assert len(tried) == 4
    assert order(tries(A, B, retries=0)) == ["a", "b"]
    assert order(tries(A, retries=5)) == ["a"] * 6


def test_the_first_of_each_waits_for_nothing_and_pauses_grow_with_full_jitter() -> None:
    longest = [0.0] * 4
    for _ in range(300):
        of, now = tries(A, retries=3, seconds=1000), 0.0
        for number in range(4):
            one = of.next(now)
            assert one is not None
            longest[number] = max(longest[number], one.pause)
            now += one.pause
            of.failed(A, BUSY, now)
    assert longest[0] == 0
    for measured, most in zip(longest[1:], (0.5, 1.0, 2.0), strict=True):
        assert 0.8 * most < measured <= most


def test_a_provider_is_waited_for_as_long_as_it_asks_and_no_longer_than_ten_seconds() -> None:
    of = tries(A)
    of.next(0)
    of.failed(A, UpstreamRejected("x", status=429, retry_after=3.0), 1.0)
    again = of.next(1.0)
    assert again is not None
    assert again.pause == 3.0
    of.failed(A, UpstreamRejected("x", status=429, retry_after=11.0), 4.0)
    assert of.next(4.0) is None


def test_the_one_that_is_ready_first_is_tried_first() -> None:
    of = tries(A, B)
    for choice, wait in ((A, 5.0), (B, 1.0)):
        of.next(0)
        of.failed(choice, UpstreamRejected("x", status=429, retry_after=wait), 0)
    again = of.next(0)
    assert again is not None
    assert (again.choice, again.pause) == (B, 1.0)


def test_nothing_is_sent_anew_after_the_deadline() -> None:
    of = tries(A, B, seconds=2.0)
    of.next(0)
    of.failed(A, UpstreamTimeout("x"), 2.5)
    assert of.next(2.5) is None
    soon = tries(A, seconds=2.0)
    soon.next(0)
    soon.failed(A, UpstreamRejected("x", status=429, retry_after=3.0), 0.1)
    assert soon.next(0.1) is None


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_would_fail_everywhere_is_tried_nowhere(status: int) -> None:
    assert order(tries(A, B), UpstreamRejected("x", status=status)) == ["a"]


def test_what_cannot_be_otherwise_here_is_tried_elsewhere_once() -> None:
    assert order(tries(A, B), UpstreamRejected("x", status=401)) == ["a", "b"]
    assert order(tries(A, B), UpstreamTimeout("x")) == ["a", "b"]


def test_the_last_attempt_is_known_as_such() -> None:
    of = tries(A, B, retries=1)
    assert [of.next(0) is not None and of.are_over for _ in range(1)] == [False]
    of.failed(A, UpstreamRefused("x"), 0)
    of.next(0)
    assert not of.are_over
    of.give_up_retries()
    assert of.are_over
