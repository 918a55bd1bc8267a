"""Breakers of several processes: what one learns the others hear, and none needs Redis."""

import time
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from tests.running import free_port, wait_until
from tests.servers.valkey import ValkeyServer
from tollhouse.domain.routes import Host, Target
from tollhouse.kv.breaker import KEY, RedisBreakerNews
from tollhouse.services.calls.breakers import Breakers

TARGET = Target("m", "m", Host("prv_1", "host", "openai", "http://host"), None, deployment="dep_1")


@pytest.fixture
def process(valkey: ValkeyServer) -> Iterator[Callable[..., Breakers]]:
    made: list[RedisBreakerNews] = []

    def make(url: str = valkey.url, seconds: float = 20.0) -> Breakers:
        breakers = Breakers(2, seconds)
        made.append(RedisBreakerNews(url, breakers.hear))
        breakers.tell(made[-1])
        made[-1].start()
        return breakers

    with Redis.from_url(valkey.url) as redis:
        redis.delete(KEY)
    yield make
    for one in made:
        one.stop()


def open_(breakers: Breakers) -> None:
    for _ in range(2):
        breakers.failed(TARGET)


def test_a_breaker_that_opens_in_one_process_is_open_in_all_within_a_second(process: Callable[..., Breakers]) -> None:
    one, other = process(), process()
    open_(one)
    wait_until(lambda: other.state("dep_1") == "open", 1.5)


def test_one_that_comes_later_hears_of_it_too(process: Callable[..., Breakers]) -> None:
    open_(process())
    time.sleep(0.3)
    late = process()
    wait_until(lambda: late.state("dep_1") == "open", 1.5)


def test_a_success_anywhere_closes_it_everywhere(process: Callable[..., Breakers]) -> None:
    one, other = process(), process()
    open_(one)
    wait_until(lambda: other.state("dep_1") == "open", 1.5)
    other.succeeded(TARGET)
    wait_until(lambda: one.state("dep_1") == "closed", 1.5)
    time.sleep(0.6)
    assert (one.state("dep_1"), other.state("dep_1")) == ("closed", "closed")


def test_without_redis_each_process_has_its_own_and_nobody_waits(process: Callable[..., Breakers]) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    one, other = process(url), process(url)
    began = time.monotonic()
    open_(one)
    assert time.monotonic() - began < 0.05
    assert one.state("dep_1") == "open"
    time.sleep(0.6)
    assert other.state("dep_1") == "closed"
