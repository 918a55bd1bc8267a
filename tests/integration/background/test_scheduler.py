import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import func, select

from tests.databases import migrate
from tests.integration.background.conftest import LoggedProcess, wait_until
from tests.servers.valkey import ValkeyServer
from tollhouse.jobs.registry import kinds
from tollhouse.kv.queue import RqQueue
from tollhouse.kv.wake_up import QUEUE
from tollhouse.scheduler import Scheduler
from tollhouse.store.database import Database
from tollhouse.store.leases import Leases
from tollhouse.store.records import LeaseRecord

KEY = f"rq:queue:{QUEUE}"
ENTRY = """
import sys
from pathlib import Path
from tollhouse import scheduler, worker
from tollhouse.settings import Settings

entry, home, url = sys.argv[1:]
settings = Settings(home=Path(home), redis_url=url, log_format="json", roll_up_seconds=0.2)
sys.exit({"worker": worker, "scheduler": scheduler}[entry].run(settings))
"""

ALWAYS_DUE = {"roll_up_usage", "probe_providers"}
"""Other kinds are due where there is work, or after a minute."""


def test_of_two_schedulers_on_one_database_one_acts(database: Database, valkey: ValkeyServer) -> None:
    valkey.flush()
    redis, queue, leases = Redis.from_url(valkey.url), RqQueue(valkey.url), Leases(database)
    schedulers = [Scheduler(leases, queue, {"roll_up_usage": 3600}) for _ in range(2)]
    for scheduler in schedulers:
        scheduler.tick()
        assert redis.llen(KEY) == (scheduler is schedulers[0])
        redis.delete(KEY)
    schedulers[0]._release()
    schedulers[1].tick()
    assert redis.llen(KEY) == 1
    redis.close()
    queue.close()


def test_a_scheduler_outlives_a_database_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(f"postgresql://user:sesame@/name?host={tmp_path}")
    scheduler = Scheduler(Leases(database), RqQueue("unix:///nowhere.sock"), {"roll_up_usage": 3600})
    for _ in range(3):
        scheduler.tick()
    scheduler._release()
    assert [record.getMessage() for record in caplog.records] == ["scheduler_lost_database", "lease_not_released"]
    assert "sesame" not in caplog.text
    database.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, str], LoggedProcess]]:
    """Starts the entry point of this name, with the real kinds and services, on a database in its home."""
    migrate(f"sqlite:///{tmp_path / 'tollhouse.db'}")
    started: list[LoggedProcess] = []

    def start(entry: str, url: str) -> LoggedProcess:
        started.append(LoggedProcess(tmp_path, entry, ["-c", ENTRY, entry, str(tmp_path), url]))
        return started[-1]

    yield start
    for process in started:
        process.close()


def rolled_up(worker: LoggedProcess) -> list[dict[str, Any]]:
    """The runs of the one kind that is due all the time."""
    return [event for event in worker.said("job_done") if event["kind"] == "roll_up_usage"]


def test_the_scheduler_wakes_the_worker_through_the_loss_of_redis_and_ends_at_once(
    start: Callable[[str, str], LoggedProcess], own_valkey: Callable[[], ValkeyServer], tmp_path: Path
) -> None:
    server = own_valkey()
    scheduler, worker = start("scheduler", server.url), start("worker", server.url)
    # What has a queue of its own waits for a worker of its own.
    here = {kind.name for kind in kinds().values() if kind.queue == QUEUE}
    wait_until(lambda: {event["kind"] for event in worker.said("job_done")} >= ALWAYS_DUE, 90)
    server.stop()
    wait_until(lambda: scheduler.said("redis_away"))
    own_valkey()
    done = len(rolled_up(worker))
    wait_until(lambda: scheduler.said("redis_back") and len(rolled_up(worker)) > done)

    began = time.monotonic()
    assert scheduler.end() == 0
    assert time.monotonic() - began < 10
    assert worker.end() == 0
    assert scheduler.messages == [
        "scheduler_started",
        "scheduler_leads",
        "redis_away",
        "redis_back",
        "scheduler_stopped",
    ]
    assert ALWAYS_DUE <= {event["kind"] for event in worker.said("job_done")} <= here
    assert {event["message"] for event in worker.events if event["level"] != "INFO"} <= {"redis_away", "job_failed"}
    database = Database(f"sqlite:///{tmp_path / 'tollhouse.db'}")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(LeaseRecord)) == 0
    database.close()
