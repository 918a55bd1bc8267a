"""Redis stopped, hung, emptied: calls do not notice, and what hurries by it goes on when it is back."""

import time
from collections.abc import Callable

import pytest

from tests.faults.audit import audit
from tests.faults.client import Answer
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway, Process
from tests.faults.servers import BreakableValkey
from tests.running import wait_until

MOST_MORE_SECONDS = 0.25


def slowest(answers: list[Answer]) -> float:
    return max(answer.seconds for answer in answers)


def await_job(worker: Process) -> float:
    """Seconds until one more job is done."""
    done, began = len(worker.said("job_done")), time.monotonic()
    wait_until(lambda: len(worker.said("job_done")) > done, 10, "the roll-up does not resume")
    return time.monotonic() - began


@pytest.fixture(scope="module")
def gateway(make_lasting_gateway: MakeGateway, lasting_valkey: BreakableValkey) -> Gateway:
    gateway = make_lasting_gateway(
        redis_url=lasting_valkey.url, TOLLHOUSE_WEB_PROCESSES="2", TOLLHOUSE_ROLL_UP_SECONDS="0.2"
    )
    gateway.start("scheduler")
    gateway.start("worker")
    gateway.start("web")
    gateway.client.calls(20)
    return gateway


@pytest.mark.parametrize(
    ("lose", "bring_back"),
    [
        pytest.param(BreakableValkey.stop, BreakableValkey.start_again, id="stopped"),
        pytest.param(BreakableValkey.kill, BreakableValkey.start_again, id="killed", marks=pytest.mark.faults),
        pytest.param(BreakableValkey.hang, BreakableValkey.go_on, id="hung"),
    ],
)
def test_calls_go_on_while_redis_is_away_and_its_work_resumes_when_it_is_back(
    gateway: Gateway,
    redis: BreakableValkey,
    lose: Callable[[BreakableValkey], None],
    bring_back: Callable[[BreakableValkey], None],
) -> None:
    web, worker, scheduler = (gateway.running(name) for name in ("web", "worker", "scheduler"))
    await_job(worker)
    said = {process.name: len(process.said("redis_away")) for process in (web, worker, scheduler)}
    before = slowest(gateway.client.calls(40))

    lose(redis)
    answers = gateway.client.calls(60) + gateway.client.calls(20, stream=True)
    assert [answer.status for answer in answers if not answer.whole] == []
    assert slowest(answers) < before + MOST_MORE_SECONDS
    ready = gateway.client.get("/readyz")
    assert (ready.status, ready.body) == (200, b'{"status":"ready","degraded":["redis"]}')
    assert ready.seconds < 1
    assert gateway.metric("tollhouse_redis_up")['{client="queue"}'] == 0
    wait_until(lambda: len(scheduler.said("redis_away")) > said["scheduler"], 15)

    bring_back(redis)
    measured(f"work resumed after {await_job(worker):.1f} s; slowest call {slowest(answers) * 1000:.0f} ms")

    def all_up() -> bool:
        assert gateway.client.get("/readyz").status == 200
        return set(gateway.metric("tollhouse_redis_up").values()) == {1.0}

    wait_until(all_up, 10)
    # One line when it goes and one when it is back, in each process that asked for it meanwhile.
    for process, least, most in ((web, 1, 2), (worker, 0, 4), (scheduler, 1, 1)):
        assert least <= len(process.said("redis_away")) - said[process.name] <= most
        assert len(process.said("redis_away")) == len(process.said("redis_back"))
    audit(gateway)


def test_an_emptied_redis_holds_up_no_call_and_no_work(gateway: Gateway, redis: BreakableValkey) -> None:
    worker = gateway.running("worker")
    await_job(worker)
    for _ in range(2):
        redis.server.flush()
        assert all(answer.whole for answer in gateway.client.calls(20))
        await_job(worker)
    assert gateway.readiness() == (200, {"status": "ready"})
    audit(gateway)
