"""The web processes are replaced one set after another, under load: no request fails, and no open stream is cut."""

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from select import select as can_be_read

import pytest
from sqlalchemy import func, select

from tests.faults.client import Answer, Client, Plan, Stream, await_tokens, ends
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import COMMAND, Gateway
from tests.running import wait_until
from tollhouse.store.records import HoldRecord, LedgerRecord


class Caller:
    """Calls again and again, over one connection that is kept as SDKs keep theirs, or over a new one each time."""

    def __init__(self, client: Client, *, keeps: bool, every: float) -> None:
        self.answers: list[Answer] = []
        self._client, self._keeps, self._every = client, keeps, every
        self._stopped = threading.Event()
        self._connection: HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "a call neither goes on nor ends"

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            # All of one size: a body that tells its call apart grows with each.
            plan = Plan(number=0)
            self.answers.append(self._call(plan) if self._keeps else self._client.call(plan))
            due = max(due + self._every, time.monotonic() - 1)
            self._stopped.wait(max(0.0, due - time.monotonic()))
        self._drop()

    def _call(self, plan: Plan) -> Answer:
        answer, began = Answer(plan), time.monotonic()
        try:
            connection = self._connected()
            headers = {"authorization": f"Bearer {self._client.key}", "content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", answer.plan.body(stream=False), headers)
            response = connection.getresponse()
            answer.status, answer.body = response.status, response.read()
            if response.will_close:
                self._drop()
        except (OSError, HTTPException) as error:
            answer.error = error
            self._drop()
        answer.seconds = time.monotonic() - began
        return answer

    def _connected(self) -> HTTPConnection:
        """As the SDKs' own HTTP clients: a connection at which something is to be read has been closed."""
        if self._connection is not None and can_be_read([self._connection.sock], [], [], 0)[0]:
            self._drop()
        if self._connection is None:
            self._connection = self._client.connect()
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def replaced(gateway: Gateway, before: list[int]) -> bool:
    now = gateway.running("web").workers
    return len(now) == len(before) and not set(now) & set(before)


def restart(gateway: Gateway) -> float:
    """As the how-to says; seconds until all of the processes that serve are others."""
    web, began = gateway.running("web"), time.monotonic()
    before = web.workers
    subprocess.run([*COMMAND, "web", "--reload"], env=gateway.environment, cwd=gateway.home, check=True, timeout=60)
    wait_until(lambda: replaced(gateway, before), 60, "the processes are the same")
    return time.monotonic() - began


def assert_all_booked(gateway: Gateway, calls: int) -> None:
    """Each once, as a call that went well."""

    def rows() -> int:
        with gateway.database.read() as session:
            return session.scalar(select(func.count()).select_from(LedgerRecord)) or 0

    wait_until(lambda: rows() >= calls, 60, "the ledger lacks calls")
    with gateway.database.read() as session:
        outcomes = Counter(session.scalars(select(LedgerRecord.outcome)))
        held = session.scalar(select(func.count()).select_from(HoldRecord))
    assert (outcomes, held) == ({"ok": calls}, 0)


def run(gateway: Gateway, *, callers: int, every: float, restarts: int) -> None:
    client = gateway.client
    calling = [Caller(client, keeps=bool(number % 2), every=every) for number in range(callers)]
    streamed = 0
    try:
        wait_until(lambda: all(len(one.answers) > 2 for one in calling), 60, "no load")
        began, called = time.monotonic(), sum(len(one.answers) for one in calling)
        for _ in range(restarts):
            streams = [Stream(client, Plan(30, 0.1, number=0)) for _ in range(4)]
            streamed += len(streams)
            await_tokens(streams)
            seconds = restart(gateway)
            assert all(answer.whole for answer in ends(streams, 60)), "a stream was cut"
            measured(f"replaced after {seconds:.1f} s")
        made = sum(len(one.answers) for one in calling) - called
        measured(f"{made / (time.monotonic() - began):.0f} calls a second meanwhile")
    finally:
        for one in calling:
            one.stop()
    answers = [answer for one in calling for answer in one.answers]
    failed = [answer for answer in answers if not answer.whole]
    measured(f"{len(answers)} calls, the slowest took {max(answer.seconds for answer in answers):.2f} s")
    assert not failed, (len(failed), len(answers), failed[:5])
    assert_all_booked(gateway, len(answers) + streamed)


def test_a_rolling_restart_fails_no_call_and_cuts_no_stream(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(TOLLHOUSE_WEB_PROCESSES="2")
    gateway.start("web")
    run(gateway, callers=8, every=0.1, restarts=1)


@pytest.mark.faults
def test_under_200_calls_a_second_ten_restarts_fail_no_call(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(TOLLHOUSE_WEB_PROCESSES="2")
    gateway.start("web")
    run(gateway, callers=40, every=0.19, restarts=10)


@pytest.mark.faults
def test_processes_that_are_told_to_stop_one_by_one_are_replaced_without_a_failure(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(TOLLHOUSE_WEB_PROCESSES="2")
    web = gateway.start("web")
    calling = [Caller(gateway.client, keeps=bool(number % 2), every=0.05) for number in range(10)]
    wait_until(lambda: all(len(one.answers) > 2 for one in calling), 60, "no load")
    for _ in range(2):
        for pid in web.workers:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda pid=pid: pid not in web.workers and len(web.workers) == 2, 60, "it is still there")
    for one in calling:
        one.stop()
    answers = [answer for one in calling for answer in one.answers]
    assert all(answer.whole for answer in answers), [answer for answer in answers if not answer.whole][:5]
    assert_all_booked(gateway, len(answers))
