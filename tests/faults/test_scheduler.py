"""A scheduler that is killed: another takes over by the lease in the database, without Redis."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from tests.faults.audit import audit
from tests.faults.client import await_tokens, ends
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway, Process
from tests.running import wait_until
from tollhouse.crash_points import EXIT_STATUS
from tollhouse.scheduler import LEASE, LEASE_SECONDS
from tollhouse.store.records import LeaseRecord

NOWHERE = "unix:///nowhere/redis.sock?db=0"
TAKEN_OVER_SECONDS = LEASE_SECONDS + 3


def leader_of(schedulers: list[Process]) -> Process | None:
    """The one that leads now."""
    leading = [one for one in schedulers if one.child.poll() is None and _last_word(one) == "scheduler_leads"]
    assert len(leading) < 2, "two lead at the same time"
    return leading[0] if leading else None


def _last_word(process: Process) -> str:
    words = [
        event["message"] for event in process.events if event["message"] in ("scheduler_leads", "scheduler_follows")
    ]
    return words[-1] if words else ""


def two_schedulers(gateway: Gateway) -> list[Process]:
    schedulers = [gateway.start("scheduler") for _ in range(2)]
    wait_until(lambda: leader_of(schedulers))
    return schedulers


def test_a_scheduler_that_dies_while_it_settles_for_the_dead_leaves_them_to_the_next(
    make_gateway: MakeGateway, tmp_path: Path
) -> None:
    gateway = make_gateway(redis_url=NOWHERE)
    gateway.start("web")
    streams = gateway.client.streams(5, tokens=400, every=0.05)
    await_tokens(streams)
    (victim,) = gateway.running("web").workers
    os.kill(victim, signal.SIGKILL)
    ends(streams)
    crash_file = tmp_path / "point"
    crash_file.write_text("settle_committing")
    assert gateway.start("scheduler", TOLLHOUSE_CRASH_FILE=str(crash_file)).child.wait(10) == EXIT_STATUS
    with gateway.database.write() as session:
        session.execute(delete(LeaseRecord))  # as if the lease of the dead one had run out
    gateway.start("scheduler")
    audit(gateway, within=10)


@pytest.mark.faults
def test_another_scheduler_takes_over_and_sweeps_without_redis(make_gateway: MakeGateway, either_database: str) -> None:
    gateway = make_gateway(database_url=either_database, redis_url=NOWHERE)
    schedulers = two_schedulers(gateway)
    gateway.start("web")
    streams = gateway.client.streams(5, tokens=400, every=0.05)
    await_tokens(streams)

    first = leader_of(schedulers)
    assert first
    first.kill()
    killed_at = time.monotonic()
    (victim,) = gateway.running("web").workers
    os.kill(victim, signal.SIGKILL)
    assert [answer for answer in ends(streams) if answer.looks_whole] == []
    wait_until(lambda: leader_of(schedulers), TAKEN_OVER_SECONDS, "nobody takes over")
    measured(f"taken over after {time.monotonic() - killed_at:.1f} s")
    audit(gateway, within=40)


def test_a_scheduler_that_ends_in_order_is_followed_at_once(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(redis_url=NOWHERE)
    schedulers = two_schedulers(gateway)
    first = leader_of(schedulers)
    assert first
    first.stop()
    wait_until(lambda: leader_of(schedulers), 3, "nobody takes over")
    audit(gateway)


def test_a_clock_that_is_set_back_by_an_hour_leaves_nobody_waiting_for_an_hour(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(redis_url=NOWHERE)
    schedulers = two_schedulers(gateway)
    first = leader_of(schedulers)
    assert first
    first.kill()
    with gateway.database.write() as session:
        # What the killed one wrote before the clock was set back.
        ahead = gateway.database.now(session) + timedelta(hours=1)
        session.execute(update(LeaseRecord).where(LeaseRecord.name == LEASE).values(until=ahead))
    wait_until(lambda: leader_of(schedulers), 5, "nobody takes over")
    audit(gateway)
