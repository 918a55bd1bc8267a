"""Kills at moments that nobody chose, while calls come and go: what was acknowledged or not, each is booked once."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.audit import audit
from tests.faults.client import Answer
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway
from tests.faults.servers import BreakablePostgres
from tests.running import wait_until

CALLERS = 8


@contextmanager
def load(gateway: Gateway) -> Iterator[list[Answer]]:
    """Callers that go on whatever happens; every other call is streamed."""
    answers: list[Answer] = []
    stopped = threading.Event()

    def call() -> None:
        while not stopped.is_set():
            answers.append(gateway.client.call(stream=len(answers) % 2 == 0))
            time.sleep(0.01)

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    yield answers
    stopped.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a call hangs"


def assert_books(gateway: Gateway, answers: list[Answer], kills: int) -> None:
    found = audit(gateway, unsent=kills * CALLERS)
    good = [answer for answer in answers if answer.whole]
    measured(
        f"{len(answers)} calls, {len(good)} good, {len(found.booked)} booked, {len(found.free)} free, {kills} kills; "
        f"slowest {max(answer.seconds for answer in answers):.2f} s"
    )
    assert len(good) > 20
    assert {answer.plan.number for answer in good} <= found.booked.keys()


@pytest.mark.parametrize("kills", [pytest.param(3), pytest.param(20, marks=pytest.mark.faults)])
def test_web_processes_killed_at_any_moment(make_gateway: MakeGateway, either_database: str, kills: int) -> None:
    gateway = make_gateway(database_url=either_database, TOLLHOUSE_WEB_PROCESSES="2")
    gateway.start("scheduler")
    web = gateway.start("web")
    chance = random.Random(7)
    with load(gateway) as answers:
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 1.2))
            wait_until(lambda: len(web.workers) == 2)
            os.kill(chance.choice(web.workers), signal.SIGKILL)
        time.sleep(1)
    assert all(answer.whole or answer.refused_well or answer.error for answer in answers)
    assert_books(gateway, answers, kills)


@pytest.mark.faults
@pytest.mark.parametrize("kills", [10])
def test_a_database_killed_at_any_moment(make_gateway: MakeGateway, postgres: BreakablePostgres, kills: int) -> None:
    gateway = make_gateway(database_url=postgres.create_database(), TOLLHOUSE_WEB_PROCESSES="2")
    gateway.start("scheduler")
    gateway.start("web")
    chance = random.Random(8)
    with load(gateway) as answers:
        for _ in range(kills):
            time.sleep(chance.uniform(0.5, 1.5))
            postgres.kill()
            time.sleep(chance.uniform(0.0, 1.0))
            postgres.start_again()
            wait_until(lambda: gateway.client.call().whole, 10)
    assert [answer for answer in answers if not (answer.whole or answer.refused_well)] == []
    assert_books(gateway, answers, kills=0)
