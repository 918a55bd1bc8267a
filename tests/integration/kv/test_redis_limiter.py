"""What only the limiter on Redis does: it shares limits between processes, in few trips, and does without Redis."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from tests.limits import limit, race, refused, take, taken
from tests.running import wait_until
from tests.servers.valkey import ValkeyServer
from tollhouse.domain.errors import ClientGone
from tollhouse.domain.limits import TICK_MS, Level, Taken
from tollhouse.kv.limiter import PREFIX, RedisLimiter

Make = Callable[..., RedisLimiter]


@pytest.fixture
def make(valkey: ValkeyServer) -> Iterator[Make]:
    made: list[RedisLimiter] = []

    def make(**options: Any) -> RedisLimiter:
        made.append(RedisLimiter(options.pop("url", valkey.url), options.pop("processes", lambda: 1), **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def redis(valkey: ValkeyServer) -> Iterator[Redis]:
    with Redis.from_url(valkey.url) as client:
        yield client


def trips(redis: Redis) -> int:
    stats: dict[str, dict[str, int]] = redis.info("commandstats")  # type: ignore[assignment]
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))


def test_eight_processes_that_race_get_exactly_what_the_limits_allow(valkey: ValkeyServer) -> None:
    wide, narrow = limit(rpm=10_000, tpm=900), limit(rpm=800, concurrency=5000)
    ticks = race(valkey.url, [wide, narrow], processes=8, tries=300, window_ms=60_000, seconds=20)
    assert len(ticks) == 800


def test_in_no_window_there_are_more_calls_than_the_limit_whoever_races(valkey: ValkeyServer) -> None:
    window_ms, most = 500, 40
    ticks = race(valkey.url, [limit(rpm=most)], processes=4, tries=100_000, window_ms=window_ms, seconds=4)
    span = window_ms // TICK_MS
    assert max(sum(first <= tick <= first + span for tick in ticks) for first in ticks) == most
    # And hardly less: what leaves makes room at once.
    assert len(ticks) > (ticks[-1] - ticks[0]) / span * most * 0.7


def test_calls_of_one_moment_share_a_trip(make: Make, redis: Redis) -> None:
    limiter, allowed = make(), [limit(rpm=1000, tpm=1000, concurrency=100) for _ in range(5)]
    taken(take(limiter, *allowed, least=1))
    before, barrier = trips(redis), threading.Barrier(64)

    def call(_: int) -> Taken:
        barrier.wait()
        return taken(take(limiter, *allowed, least=1))

    with ThreadPoolExecutor(64) as threads:
        calls = list(threads.map(call, range(64)))
    assert trips(redis) - before < 32
    for one in calls:
        limiter.settle(one, 0)
    last = taken(take(limiter, *allowed, least=1)).standing
    assert last.requests == Level(1000, 1000 - 66, 60_000)
    assert last.tokens == Level(1000, 998, 60_000)


def test_without_limits_there_is_no_connection(make: Make, redis: Redis) -> None:
    before = redis.info("stats")["total_connections_received"]  # type: ignore[index]
    limiter = make()
    assert limiter.shared
    time.sleep(0.1)
    assert redis.info("stats")["total_connections_received"] == before  # type: ignore[index]


def test_open_calls_are_renewed_while_they_last_and_expire_when_their_process_is_gone(make: Make) -> None:
    allowed = limit(concurrency=1)
    dies, lives = make(lease_ms=600), make(lease_ms=600)
    taken(take(dies, allowed))
    time.sleep(1.0)
    refused(take(lives, allowed))
    dies.stop()  # it says nothing of its open calls, as if it had been killed
    began = time.monotonic()
    wait_until(lambda: isinstance(take(lives, allowed), Taken), 3)
    assert time.monotonic() - began < 1.0


def test_a_caller_that_leaves_while_it_waits_takes_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter, allowed = make(), limit(rpm=2, concurrency=1)
    limiter.settle(taken(take(limiter, allowed)), 0)
    with monkeypatch.context() as patch:
        patch.setattr("tollhouse.kv.queued.Queued.wait", _leave)
        with pytest.raises(ClientGone):
            take(limiter, allowed)
    time.sleep(0.2)
    assert taken(take(limiter, allowed)).standing.requests == Level(2, 0, 60_000)


def _leave(*_: object) -> None:
    raise ClientGone


def test_a_flushed_redis_forgets_what_was_taken_but_not_what_is_open(
    make: Make, valkey: ValkeyServer, redis: Redis
) -> None:
    limiter, allowed = make(lease_ms=600), limit(rpm=2, tpm=100, concurrency=2)
    held = [taken(take(limiter, allowed, least=40)) for _ in range(2)]
    valkey.flush()
    wait_until(lambda: redis.zcard(f"{PREFIX}:{allowed.name}:open") == 2, 1)
    assert refused(take(limiter, allowed)).kind == "concurrency"
    for one in held:
        limiter.settle(one, 10)
    standing = taken(take(limiter, allowed, least=1)).standing
    assert standing.requests is not None
    assert standing.tokens == Level(100, 99, standing.requests.reset_ms)
    assert limiter.shared


def test_a_clock_that_was_set_back_an_hour_lets_calls_in(make: Make, redis: Redis) -> None:
    limiter, allowed = make(), limit(rpm=1, concurrency=1)
    taken(take(limiter, allowed))
    key = f"{PREFIX}:{allowed.name}"
    later = int(time.time() * 100) + 360_000
    redis.hset(f"{key}:counts", mapping={"newest": later})
    redis.delete(f"{key}:ticks")
    redis.rpush(f"{key}:ticks", later)
    redis.zadd(f"{key}:open", {"call_of_the_future": (later + 1500) * 10})
    redis.zremrangebyscore(f"{key}:open", "-inf", time.time() * 1000 + 60_000)
    taken(take(limiter, allowed))
    refused(take(limiter, allowed))


@pytest.mark.parametrize("lost", ["counts", "ticks"])
def test_a_redis_that_evicts_half_of_a_window_makes_nobody_wait_for_ever(make: Make, redis: Redis, lost: str) -> None:
    limiter, allowed = make(), limit(rpm=1)
    taken(take(limiter, allowed))
    redis.delete(f"{PREFIX}:{allowed.name}:{lost}")
    taken(take(limiter, allowed))


def test_without_redis_each_process_has_its_share(make: Make, tmp_path: Any) -> None:
    away = [make(url=f"unix://{tmp_path}/none.sock", processes=lambda: 3) for _ in range(3)]
    allowed = limit(rpm=10, tpm=100, concurrency=10)
    let_in = [sum(isinstance(take(one, allowed, least=1), Taken) for _ in range(10)) for one in away]
    assert let_in == [3, 3, 3]
    assert not any(one.shared for one in away)
    # No share is less than a call, however large that is.
    for one in away:
        taken(take(one, limit(rpm=1)))
        taken(take(one, limit(tpm=100), least=100))
        assert refused(take(one, limit(tpm=100), least=101)).retry_ms is None


def test_a_redis_that_takes_no_writes_is_none(make: Make, redis: Redis) -> None:
    limiter, allowed = make(), limit(rpm=1)
    redis.set(f"{PREFIX}:{allowed.name}:counts", "no hash")
    taken(take(limiter, allowed))
    refused(take(limiter, allowed))
    assert not limiter.shared
    redis.delete(f"{PREFIX}:{allowed.name}:counts")
    wait_until(lambda: limiter.shared, 3)
    # What was let in meanwhile is made known.
    refused(take(limiter, allowed))
