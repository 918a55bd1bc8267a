"""Limits while Redis is away, while processes die, between hosts, and when clients leave."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.audit import audit
from tests.faults.client import Answer, Client, Plan, send
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway
from tests.faults.servers import BreakablePostgres, BreakableValkey
from tests.running import free_port, wait_until
from tollhouse import settings, wiring

MOST_MORE_SECONDS = 0.25


def set_limits(gateway: Gateway, **changes: int | None) -> None:
    """On the gateway's one key; known by all processes when this returns."""
    services = wiring.build(settings.load(gateway.environment, gateway.home / "no.env"), "cli")
    try:
        (key,) = services.keys.all()
        services.limits.set(("key", key.id), changes)
    finally:
        services.close()
    time.sleep(1.0)


def outcomes(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


@pytest.fixture
def gateway(make_gateway: MakeGateway, redis: BreakableValkey) -> Gateway:
    gateway = make_gateway(redis_url=redis.url, TOLLHOUSE_WEB_PROCESSES="2")
    gateway.start("web")
    return gateway


@pytest.mark.parametrize(
    ("lose", "bring_back"),
    [
        pytest.param(BreakableValkey.kill, BreakableValkey.start_again, id="killed"),
        pytest.param(BreakableValkey.hang, BreakableValkey.go_on, id="hung"),
    ],
)
def test_without_redis_calls_go_on_and_each_process_enforces_its_share(
    gateway: Gateway,
    redis: BreakableValkey,
    lose: Callable[[BreakableValkey], None],
    bring_back: Callable[[BreakableValkey], None],
) -> None:
    set_limits(gateway, rpm=1000, tpm=10**9, concurrency=100)
    time.sleep(3)  # by then each process has counted the others
    answers = gateway.client.calls(40)
    assert outcomes(answers) == {200: 40}
    assert answers[0].headers["x-ratelimit-limit-requests"] == "1000"
    before = max(answer.seconds for answer in answers)

    lose(redis)
    answers = gateway.client.calls(60)
    assert outcomes(answers) == {200: 60}
    slowest = max(answer.seconds for answer in answers)
    assert slowest < before + MOST_MORE_SECONDS
    measured(f"slowest call {slowest * 1000:.0f} ms; before {before * 1000:.0f} ms")
    assert gateway.readiness() == (200, {"status": "ready", "degraded": ["redis"]})
    assert gateway.metric("tollhouse_redis_up")['{client="limiter"}'] == 0
    assert gateway.metric("tollhouse_limits_by_share_total")[""] >= 50

    set_limits(gateway, rpm=150)
    # 100 calls are in the window; whoever answered them, no process lets in more than its half.
    found = outcomes(gateway.client.calls(150))
    assert found[429] >= 100
    assert found[200] + found[429] == 150

    bring_back(redis)
    wait_until(lambda: gateway.metric("tollhouse_redis_up")['{client="limiter"}'] == 1, 10)
    # What was let in while it was away counts, for the minute is not over.
    set_limits(gateway, rpm=60 + found[200] + 5)
    assert outcomes(gateway.client.calls(20))[200] <= 5
    set_limits(gateway, rpm=100_000)
    assert outcomes(gateway.client.calls(20)) == {200: 20}
    wait_until(lambda: gateway.readiness() == (200, {"status": "ready"}), 5)
    audit(gateway)


def test_an_emptied_redis_forgets_the_minute_and_nothing_else(gateway: Gateway, redis: BreakableValkey) -> None:
    set_limits(gateway, rpm=10)
    assert outcomes(gateway.client.calls(20)) == {200: 10, 429: 10}
    redis.server.flush()
    assert outcomes(gateway.client.calls(20)) == {200: 10, 429: 10}
    audit(gateway)


def test_a_client_that_leaves_gives_its_place_back_within_two_seconds(gateway: Gateway) -> None:
    set_limits(gateway, concurrency=3)
    connections = [gateway.client.connect() for _ in range(3)]
    for connection in connections:
        send(connection, gateway.key, Plan(tokens=3, silent=30.0), stream=True)
    wait_until(lambda: len(gateway.upstream.open_calls) == 3)
    assert gateway.client.call().status == 429
    for connection in connections:
        connection.close()
    left_at = time.monotonic()
    wait_until(lambda: gateway.client.call().whole, 2.0, "no place is free")
    measured(f"a place was free {time.monotonic() - left_at:.2f} s after the clients left")
    audit(gateway, within=2.0)


def test_two_hosts_share_one_limit_exactly(
    make_gateway: MakeGateway, redis: BreakableValkey, postgres: BreakablePostgres
) -> None:
    gateway = make_gateway(redis_url=redis.url, database_url=postgres.create_database())
    set_limits(gateway, rpm=60)
    gateway.start("web")
    home, port = gateway.home.with_name("other-host"), free_port()
    home.mkdir()
    metrics = gateway.metrics_folder.with_name(f"{gateway.metrics_folder.name}-other")
    metrics.mkdir()
    gateway.start(
        "web",
        ready=False,
        TOLLHOUSE_HOME=str(home),
        TOLLHOUSE_PORT=str(port),
        PROMETHEUS_MULTIPROC_DIR=str(metrics),
    )
    other = Client(port, gateway.key)
    wait_until(lambda: other.get("/readyz").status == 200, 20)
    with ThreadPoolExecutor(2) as both:
        found = [outcomes(answers) for answers in both.map(lambda host: host.calls(60), (gateway.client, other))]
    assert found[0] + found[1] == {200: 60, 429: 60}
    assert all(one[200] for one in found)
    audit(gateway)


@pytest.mark.faults
def test_the_places_of_a_killed_process_are_free_within_its_lease(gateway: Gateway) -> None:
    set_limits(gateway, concurrency=4)
    gateway.start("scheduler")
    streams = gateway.client.streams(4, tokens=200, every=0.5)
    wait_until(lambda: len(gateway.upstream.open_calls) == 4)
    gateway.running("web").kill()
    gateway.start("web")
    killed_at = time.monotonic()
    wait_until(lambda: gateway.client.call().whole, 16, "no place is free")
    measured(f"a place was free {time.monotonic() - killed_at:.1f} s after the kill")
    for stream in streams:
        stream.end()
    audit(gateway)
