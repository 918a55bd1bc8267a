"""SQLite's write lock held by another process: calls wait or are refused, and nothing else notices."""

import sqlite3
import threading
import time

import pytest

from tests.faults.audit import audit
from tests.faults.client import Answer, Pulse, await_tokens, ends
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway
from tests.running import wait_until


def hold_lock(gateway: Gateway, seconds: float) -> threading.Thread:
    """Hold the write lock as a backup tool or a person with a shell does; returns once it is held."""
    taken = threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(gateway.home / "tollhouse.db", timeout=10, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        taken.set()
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(15)
    return thread


@pytest.fixture(scope="module")
def gateway(make_lasting_gateway: MakeGateway) -> Gateway:
    gateway = make_lasting_gateway(TOLLHOUSE_WEB_PROCESSES="2")
    gateway.start("scheduler")
    gateway.start("web")
    return gateway


@pytest.mark.parametrize("seconds", [pytest.param(3.0), pytest.param(8.0, marks=pytest.mark.faults)])
def test_a_held_lock_makes_calls_wait_or_refuses_them_and_stalls_nothing_else(gateway: Gateway, seconds: float) -> None:
    web = gateway.running("web")
    said = len(web.said("ledger_away"))
    assert all(answer.whole for answer in gateway.client.calls(10))
    streams = gateway.client.streams(10, tokens=int(seconds * 20) + 20, every=0.05)
    await_tokens(streams)

    answers: list[Answer] = []
    lock = hold_lock(gateway, seconds)
    with Pulse(gateway.client) as pulse:
        while lock.is_alive():
            answers += gateway.client.calls(8, at_once=8)
    lock.join()
    released_at = time.monotonic()
    wait_until(lambda: gateway.client.call().whole, 5, "calls do not go on after the lock was let go")
    measured(
        f"lock {seconds:g} s: {len(answers)} calls, slowest {max(a.seconds for a in answers):.2f} s; healthz "
        f"{pulse.usual_worst * 1000:.0f} ms, worst {pulse.seconds[-1] * 1000:.0f} ms; "
        f"recovered in {time.monotonic() - released_at:.2f} s"
    )

    assert [answer for answer in answers if not (answer.whole or answer.refused_well)] == []
    assert any(answer.status == 503 for answer in answers)
    assert {answer.status for answer in pulse.answers} == {200}
    assert pulse.usual_worst < 0.1
    assert all(answer.whole for answer in ends(streams))
    wait_until(lambda: gateway.readiness()[0] == 200)
    assert len(web.said("ledger_away")) - said <= 2
    audit(gateway, within=15)


def test_a_lock_held_for_a_moment_is_waited_for(gateway: Gateway) -> None:
    assert gateway.client.call().whole
    for _ in range(5):
        lock = hold_lock(gateway, 0.2)
        answer = gateway.client.call()
        assert answer.whole
        lock.join()
    audit(gateway, within=15)
