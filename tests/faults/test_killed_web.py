"""A web process killed with calls open: its clients are told, nobody else notices, and each call is booked once."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.faults.audit import audit, calls_of
from tests.faults.client import Client, Plan, Stream, await_tokens, ends
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway, paused
from tests.running import RunningGateway, wait_until
from tollhouse.domain.ledger import PROCESS_DIED

STREAMS = 50
LEASE_SECONDS = 12.0
EVERY = 0.05
BACK_SECONDS = 2.0
CHECKPOINT_SECONDS = 1.0
SLACK_SECONDS = 0.6
"""On a busy machine: from a token at the upstream to its being known here, and from a checkpoint to its commit."""


def start(make_gateway: MakeGateway, database_url: str, processes: int) -> Gateway:
    gateway = make_gateway(database_url=database_url, TOLLHOUSE_WEB_PROCESSES=str(processes))
    gateway.start("scheduler")
    gateway.start("web")
    assert all(answer.whole for answer in gateway.client.calls(10))
    return gateway


def test_its_streams_end_in_an_error_others_go_on_and_each_is_booked_once(
    make_gateway: MakeGateway, either_database: str
) -> None:
    gateway = start(make_gateway, either_database, processes=2)
    victim, other = gateway.running("web").workers
    time.sleep(0.5)  # whoever is stopped below must hold no lock of the database
    with paused(other):
        doomed = gateway.client.streams(STREAMS, tokens=400, every=EVERY)
        await_tokens(doomed)
    with paused(victim):
        spared = gateway.client.streams(10, tokens=100, every=EVERY)
        await_tokens(spared)
    time.sleep(2.5)

    killed_at = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    cut = ends(doomed, 5)
    during = gateway.client.calls(20) + gateway.client.calls(10, stream=True)
    assert [stream for stream in cut if stream.looks_whole] == []
    assert [answer for answer in during if not answer.whole] == []
    wait_until(lambda: len(gateway.running("web").workers) == 2, 10)
    assert [answer for answer in ends(spared) if not answer.whole] == []

    found = audit(gateway)
    swept = time.monotonic() - killed_at
    behind = []
    for answer in cut:
        booked, seen = found.booked[answer.plan.number], gateway.upstream.call(answer.plan.number)
        assert (booked.outcome, booked.estimated) == (PROCESS_DIED, True)
        behind.append(seen.sent_by(killed_at) - booked.output)
        assert booked.output >= seen.sent_by(killed_at - CHECKPOINT_SECONDS - SLACK_SECONDS), (booked, seen)
    measured(f"all {len(cut)} booked {swept:.1f} s after the kill, at most {max(behind) * EVERY:.1f} s behind")


def back_after_kills(gateway: Gateway, kills: int) -> list[float]:
    """Seconds from each kill to the next answer, which must come."""
    took = []
    for _ in range(kills):
        (victim,) = gateway.running("web").workers
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        wait_until(lambda: gateway.client.call().whole, 10)
        took.append(time.monotonic() - killed_at)
    measured(f"answers again {', '.join(f'{seconds:.2f}' for seconds in took)} s after a kill")
    return took


def test_it_is_back(make_gateway: MakeGateway, either_database: str) -> None:
    gateway = start(make_gateway, either_database, processes=1)
    back_after_kills(gateway, 1)
    audit(gateway)


@pytest.mark.faults
def test_it_is_back_in_two_seconds_on_a_machine_that_is_not_busy(
    make_gateway: MakeGateway, either_database: str
) -> None:
    gateway = start(make_gateway, either_database, processes=1)
    assert sorted(back_after_kills(gateway, 3))[1] < BACK_SECONDS
    audit(gateway)


@pytest.mark.faults
def test_calls_that_were_never_sent_and_whole_calls_are_booked_too(
    make_gateway: MakeGateway, either_database: str
) -> None:
    gateway = start(make_gateway, either_database, processes=1)
    waiting = [Plan(tokens=3, silent=30) for _ in range(10)]
    threads = [threading.Thread(target=gateway.client.call, args=(plan,)) for plan in waiting]
    for thread in threads:
        thread.start()
    late = [Stream(gateway.client, Plan(tokens=3, silent=30)) for _ in range(10)]
    wait_until(lambda: len(gateway.upstream.open_calls) == 20, 10)
    (victim,) = gateway.running("web").workers
    os.kill(victim, signal.SIGKILL)
    for thread in threads:
        thread.join(10)
    assert [answer for answer in ends(late) if answer.looks_whole] == []
    found = audit(gateway)
    for plan in [*waiting, *(stream.answer.plan for stream in late)]:
        booked = found.booked[plan.number]
        assert (booked.outcome, booked.output) == (PROCESS_DIED, 0)
        assert booked.input > 0


@pytest.mark.faults
def test_a_process_that_only_seemed_dead_corrects_what_was_booked_for_it(
    make_gateway: MakeGateway, either_database: str
) -> None:
    gateway = start(make_gateway, either_database, processes=2)
    hung, other = gateway.running("web").workers
    time.sleep(0.5)
    with paused(other):
        streams = gateway.client.streams(5, tokens=60, every=EVERY)
        await_tokens(streams)
    time.sleep(1.5)
    with paused(hung):
        time.sleep(LEASE_SECONDS + 6)
        during = gateway.client.calls(4, at_once=1)
    assert [answer for answer in during if not answer.whole] == []
    assert [answer for answer in ends(streams) if not answer.whole] == []

    def outputs() -> set[int]:
        numbers = {stream.answer.plan.number for stream in streams}
        return {call.output for call in calls_of(gateway) if call.number in numbers}

    wait_until(lambda: outputs() == {60}, 5, "what was booked is not corrected")
    found = audit(gateway)
    for stream in streams:
        booked = found.booked[stream.answer.plan.number]
        assert not booked.estimated, booked
        # Files that are locked tell the hung from the dead; leases do not.
        assert booked.rows == (2 if either_database else 1), booked


@pytest.mark.faults
@pytest.mark.parametrize("which", ["arbiter", "all"])
def test_up_brings_back_a_web_server_that_is_killed_whole(tmp_path: Path, which: str) -> None:
    gateway = RunningGateway(tmp_path / "home", TOLLHOUSE_LOCAL_MODEL="off", TOLLHOUSE_WEB_PROCESSES="2")
    try:
        client = Client(gateway.port, gateway.key)
        pids = sorted(pid for pid, command in gateway.children().items() if "gunicorn" in command)
        for pid in pids[:1] if which == "arbiter" else pids:
            os.kill(pid, signal.SIGKILL)
        killed_at = away_at = time.monotonic()
        # Processes that lost their arbiter answer for a moment longer.
        while time.monotonic() < max(killed_at + 4, away_at + 2):
            if client.get("/readyz", 1).status != 200:
                away_at = time.monotonic()
            assert away_at < killed_at + 10, "it does not come back"
            time.sleep(0.02)
        measured(f"whole web server killed ({which}): serves from {away_at - killed_at:.2f} s on")
        assert away_at - killed_at < 3
        answer = gateway.openai().chat.completions.create(model="echo", messages=[{"role": "user", "content": "x"}])
        assert answer.usage
    finally:
        gateway.stop()
