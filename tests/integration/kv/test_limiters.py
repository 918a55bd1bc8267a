"""What every limiter does: the one on Redis, and the one of a single process that stands in for it."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.limits import limit, order, refused, take, taken
from tests.servers.valkey import ValkeyServer
from tollhouse.domain.limits import TICK_MS, Level, Taken
from tollhouse.domain.ports import Limiter
from tollhouse.kv.limiter import RedisLimiter
from tollhouse.kv.local_limiter import LocalLimiter

MakeLimiter = Callable[..., Limiter]
SHORT = 600
"""Milliseconds of a window that a test waits for."""


@pytest.fixture(params=["local", "redis"])
def make_limiter(request: pytest.FixtureRequest) -> Iterator[MakeLimiter]:
    made: list[RedisLimiter] = []

    def make(window_ms: int = 60_000) -> Limiter:
        if request.param == "local":
            return LocalLimiter(window_ms=window_ms)
        server: ValkeyServer = request.getfixturevalue("valkey")
        made.append(RedisLimiter(server.url, lambda: 1, window_ms=window_ms))
        return made[-1]

    yield make
    for one in made:
        assert one.shared
        one.stop()


@pytest.fixture
def limiter(make_limiter: MakeLimiter) -> Limiter:
    return make_limiter()


def test_as_many_requests_are_let_in_as_the_limit_says(limiter: Limiter) -> None:
    allowed = limit(rpm=3)
    left = [taken(take(limiter, allowed)).standing.requests for _ in range(3)]
    assert [level.remaining for level in left if level] == [2, 1, 0]
    assert all(level and level.limit == 3 and 59_000 < level.reset_ms <= 60_000 for level in left)
    refusal = refused(take(limiter, allowed))
    assert (refusal.limit, refusal.kind) == (allowed, "requests")
    assert refusal.retry_ms is not None
    assert 59_000 < refusal.retry_ms <= 60_000
    assert refusal.standing.tokens is None


def test_the_window_slides_and_tells_exactly_when_there_is_room(make_limiter: MakeLimiter) -> None:
    limiter, allowed = make_limiter(SHORT), limit(rpm=2)
    began = time.monotonic()
    taken(take(limiter, allowed))
    time.sleep(SHORT / 2000)
    taken(take(limiter, allowed))
    first = refused(take(limiter, allowed))
    assert first.retry_ms is not None
    time.sleep(first.retry_ms / 1000)
    assert time.monotonic() - began >= SHORT / 1000
    taken(take(limiter, allowed))
    # The second call still counts: half a window has passed since it, not a whole one.
    second = refused(take(limiter, allowed))
    assert second.retry_ms is not None
    assert second.retry_ms < SHORT * 0.75
    time.sleep((second.retry_ms + 2 * TICK_MS) / 1000)
    taken(take(limiter, allowed))


def test_tokens_are_charged_at_the_bound_and_corrected_to_what_was_used(limiter: Limiter) -> None:
    allowed = limit(tpm=100)
    first = taken(take(limiter, allowed, least=60))
    assert first.standing.tokens is not None
    assert first.standing.tokens.remaining == 40
    assert refused(take(limiter, allowed, least=60)).kind == "tokens"
    limiter.settle(first, 10)
    second = taken(take(limiter, allowed, least=60))
    assert second.standing.tokens == Level(100, 30, second.standing.tokens.reset_ms if second.standing.tokens else 0)
    limiter.settle(second, 100)
    assert refused(take(limiter, allowed, least=1)).standing.tokens == Level(100, 0, 60_000)


def test_a_call_without_a_bound_is_charged_what_there_is_room_for(limiter: Limiter) -> None:
    allowed = limit(tpm=100)
    first = taken(take(limiter, allowed, least=20, most=5000))
    assert first.tokens == 100
    refusal = refused(take(limiter, allowed, least=20, most=5000))
    assert refusal.retry_ms is not None
    limiter.settle(first, 30)
    assert taken(take(limiter, allowed, least=20, most=5000)).tokens == 70


def test_a_call_that_is_larger_than_the_limit_is_refused_for_good(limiter: Limiter) -> None:
    refusal = refused(take(limiter, limit(tpm=100), least=101))
    assert (refusal.kind, refusal.retry_ms) == ("tokens", None)


def test_open_calls_have_places_until_they_end(limiter: Limiter) -> None:
    allowed = limit(concurrency=2)
    first, second = taken(take(limiter, allowed)), taken(take(limiter, allowed))
    refusal = refused(take(limiter, allowed))
    assert (refusal.kind, refusal.retry_ms) == ("concurrency", 1000)
    limiter.settle(first, 0)
    third = taken(take(limiter, allowed))
    refused(take(limiter, allowed))
    limiter.give_back(second)
    limiter.settle(third, 0)
    for _ in range(2):
        taken(take(limiter, allowed))
    refused(take(limiter, allowed))


def test_what_is_refused_by_one_scope_takes_of_none(limiter: Limiter) -> None:
    wide, narrow = limit(rpm=10, tpm=1000, concurrency=10), limit(rpm=1)
    taken(take(limiter, wide, narrow, least=10))
    for _ in range(20):
        assert refused(take(limiter, wide, narrow, least=10)).limit == narrow
    after = taken(take(limiter, wide, least=10)).standing
    assert after.requests is not None
    assert after.tokens is not None
    assert (after.requests.remaining, after.tokens.remaining) == (8, 980)
    for _ in range(8):
        taken(take(limiter, wide))
    refused(take(limiter, wide))


def test_of_several_scopes_the_tightest_is_told_for_each_kind(limiter: Limiter) -> None:
    few_requests, few_tokens, calls = limit(rpm=5, tpm=10_000), limit(rpm=50, tpm=100), limit(concurrency=1)
    standing = taken(take(limiter, few_requests, few_tokens, calls, least=10)).standing
    assert standing.requests is not None
    assert standing.tokens is not None
    assert (standing.requests.limit, standing.requests.remaining) == (5, 4)
    assert (standing.tokens.limit, standing.tokens.remaining) == (100, 90)


def test_of_several_refusals_the_one_that_lasts_longest_is_told(make_limiter: MakeLimiter) -> None:
    limiter, early, late = make_limiter(SHORT), limit(rpm=1), limit(rpm=1)
    taken(take(limiter, early))
    time.sleep(SHORT / 3000)
    taken(take(limiter, late))
    assert refused(take(limiter, early, late)).limit == late
    assert refused(take(limiter, late, early)).limit == late
    assert refused(take(limiter, late, limit(tpm=1), least=2)).kind == "tokens"


def test_what_was_given_back_was_never_taken(limiter: Limiter) -> None:
    allowed = limit(rpm=1, tpm=50, concurrency=1)
    for _ in range(5):
        limiter.give_back(taken(take(limiter, allowed, least=50)))
    last = taken(take(limiter, allowed, least=50))
    assert last.standing.requests == Level(1, 0, 60_000)


def test_a_correction_that_comes_after_the_window_changes_nothing(make_limiter: MakeLimiter) -> None:
    limiter, allowed = make_limiter(SHORT), limit(rpm=10, tpm=100)
    late = taken(take(limiter, allowed, least=80))
    time.sleep((SHORT + 3 * TICK_MS) / 1000)
    taken(take(limiter, allowed, least=40))
    limiter.settle(late, 0)
    standing = refused(take(limiter, allowed, least=61)).standing
    assert standing.tokens is not None
    assert standing.tokens.remaining == 60


def test_a_limit_that_changes_keeps_what_was_taken(limiter: Limiter) -> None:
    before = limit(rpm=5)
    for _ in range(4):
        taken(take(limiter, before))
    after = limit(rpm=5, tpm=100, scope=before.scope)
    taken(take(limiter, after, least=1))
    refused(take(limiter, after, least=1))
    lower = limit(rpm=2, scope=before.scope)
    assert refused(take(limiter, lower)).standing.requests == Level(2, 0, 60_000)


def test_a_long_queue_is_served_in_its_order(limiter: Limiter) -> None:
    allowed = limit(rpm=300)
    assert sum(isinstance(limiter.take(order(allowed)), Taken) for _ in range(400)) == 300
