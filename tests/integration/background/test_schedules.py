"""Schedules with schedulers and a worker in processes of their own: each time is begun once, whoever dies."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.integration.background.conftest import LoggedProcess, wait_until
from tests.receiver import receiving
from tests.servers.valkey import ValkeyServer
from tollhouse.domain.actor import SHELL
from tollhouse.services.models.models import NewModel
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.store.records import BackgroundRecord, ReportDeliveryRecord, ScheduleRecord, ScheduleRunRecord
from tollhouse.wiring import Services, build

SECRET = "a secret for schedulers that is long enough"
ENTRY = """
import sys
from pathlib import Path
from tollhouse import scheduler, worker
from tollhouse.settings import Settings

entry, home, url, database, secret = sys.argv[1:]
settings = Settings(
    home=Path(home), redis_url=url, database_url=database, secret_key=secret, log_format="json",
    start_scheduled_seconds=1, deliver_reports_seconds=1, report_private="on",
)
sys.exit({"worker": worker, "scheduler": scheduler}[entry].run(settings))
"""
MANY = 12


@pytest.fixture
def services(database: Database, valkey: ValkeyServer, tmp_path: Path) -> Iterator[Services]:
    valkey.flush()
    settings = Settings(
        home=tmp_path, redis_url=valkey.url, database_url=database.url, secret_key=SECRET, report_private="on"
    )
    services = build(settings, "cli")
    services.providers.add("echo", "echo", "echo:")
    services.models.add(NewModel("echo", "echo"))
    yield services
    services.close()
    valkey.flush()


@pytest.fixture
def start(services: Services, tmp_path: Path) -> Iterator[Callable[[str, str], LoggedProcess]]:
    """Starts a scheduler or a worker, under a name for its log."""
    settings, started = services.settings, []

    def start(entry: str, name: str) -> LoggedProcess:
        arguments = [entry, str(tmp_path), settings.redis_url, settings.database_url, SECRET]
        started.append(LoggedProcess(tmp_path, name, ["-c", ENTRY, *arguments]))
        return started[-1]

    yield start
    for process in started:
        process.close()


def make_due(services: Services) -> None:
    with services.database.write() as session:
        at = services.database.now(session) - timedelta(seconds=1)
        session.execute(update(ScheduleRecord).values(next_at=at))


def noted(services: Services, times: int) -> bool:
    """Whether each schedule was due so often."""
    with services.database.read() as session:
        counts = Counter(session.scalars(select(ScheduleRunRecord.schedule_id)))
    assert max(counts.values(), default=0) <= times
    return list(counts.values()) == [times] * MANY


def begun(services: Services) -> list[str]:
    """The responses that there are."""
    with services.database.read() as session:
        return list(session.scalars(select(BackgroundRecord.id)))


def test_two_schedulers_at_once_fire_each_schedule_once_also_where_one_is_killed(
    services: Services, start: Callable[[str, str], LoggedProcess]
) -> None:
    key = services.keys.create("scheduled").id
    work = {"model": "echo", "input": "hello"}
    for number in range(MANY):
        services.schedules.create(f"number {number}", "prompt", work, "0 0 1 1 *", key_id=key)
    first, second = start("scheduler", "first"), start("scheduler", "second")
    worker = start("worker", "worker")
    for one in (first, second):
        wait_until(lambda one=one: one.said("scheduler_started"), 60)
    wait_until(lambda: first.said("scheduler_leads") or second.said("scheduler_leads"), 30)
    for times in (1, 2):
        make_due(services)
        wait_until(lambda times=times: noted(services, times), 30)
    leader = first if first.said("scheduler_leads") else second
    make_due(services)
    leader.end(signal.SIGKILL)
    wait_until(lambda: noted(services, 3), 30)
    # Without a leader for a moment: schedules need none.
    make_due(services)
    wait_until(lambda: noted(services, 4), 30)
    wait_until(lambda: len(begun(services)) == 4 * MANY, 60)
    with services.database.read() as session:
        runs = session.execute(select(ScheduleRunRecord.state, ScheduleRunRecord.work_id)).all()
    assert {state for state, _ in runs} == {"started"}
    assert sorted(id for _, id in runs if id) == sorted(begun(services))
    follower = second if leader is first else first
    assert follower.end() == 0
    assert worker.end() == 0
    assert sum(len(one.said("schedule_fired")) for one in (first, second)) == 4 * MANY


def test_two_schedulers_and_two_workers_send_each_report_once(
    services: Services, start: Callable[[str, str], LoggedProcess]
) -> None:
    services.users.ensure_admin("boss@example.com", "a password for reports")
    boss = services.users.named("boss@example.com").id
    with receiving() as receiver:
        work = {"report": "usage", "by": ["model"], "period": "yesterday", "url": receiver.url}
        for number in range(MANY):
            services.schedules.create(f"number {number}", "report", work, "0 0 1 1 *", user_id=boss, by=SHELL)
        processes = [start(entry, f"{entry} {name}") for entry in ("scheduler", "worker") for name in ("one", "two")]
        for one in processes[:2]:
            wait_until(lambda one=one: one.said("scheduler_started"), 60)
        for times in (1, 2):
            make_due(services)
            wait_until(lambda times=times: noted(services, times), 60)
        wait_until(lambda: ended(services) == 2 * MANY, 90)
        assert len({arrived.event["id"] for arrived in receiver.got}) == len(receiver.got) == 2 * MANY
    assert [one.end() for one in processes[:2]] == [0, 0]
    assert sum(len(one.said("schedule_fired")) for one in processes) == 2 * MANY


def ended(services: Services) -> int:
    """The reports that were sent."""
    with services.database.read() as session:
        states = session.scalars(select(ReportDeliveryRecord.state)).all()
    assert {*states} <= {"queued", "completed"}
    return states.count("completed")
