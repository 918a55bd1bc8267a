import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.integration.background.conftest import WorkerProcess, wait_until
from tests.servers.valkey import ValkeyServer
from tollhouse.kv.wake_up import QUEUE

StartValkey = Callable[[], ValkeyServer]


@pytest.fixture
def lonely(own_valkey: StartValkey, tmp_path: Path) -> Iterator[Callable[[str], WorkerProcess]]:
    """Starts a worker on a server that the test may stop."""
    started: list[WorkerProcess] = []

    def start(url: str) -> WorkerProcess:
        started.append(WorkerProcess(url, tmp_path))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


def test_an_idle_worker_outlives_redis_and_says_so_once_each_way(
    own_valkey: StartValkey, lonely: Callable[[str], WorkerProcess]
) -> None:
    server = own_valkey()
    worker = lonely(server.url)
    worker.do("quick", "quick")
    server.stop()
    wait_until(lambda: worker.said("redis_away"))
    time.sleep(0.7)
    own_valkey()
    worker.do("quick", "quick")
    assert (len(worker.said("redis_away")), len(worker.said("redis_back"))) == (1, 1)
    assert not [event for event in worker.events if event["level"] == "ERROR"]


def test_a_job_goes_on_while_redis_is_away(own_valkey: StartValkey, lonely: Callable[[str], WorkerProcess]) -> None:
    server = own_valkey()
    worker = lonely(server.url)
    horse = worker.do("slow", "begun")
    server.stop()
    wait_until(lambda: worker.did("ended") == [horse])
    wait_until(lambda: not Path(f"/proc/{horse}").exists())  # the worker has waited for it all the while
    own_valkey()
    worker.do("quick", "quick")


def test_a_worker_that_starts_before_redis_waits_for_it(
    own_valkey: StartValkey, lonely: Callable[[str], WorkerProcess]
) -> None:
    server = own_valkey()
    server.stop()
    worker = lonely(server.url)
    wait_until(lambda: worker.said("redis_away"))
    own_valkey()
    worker.do("quick", "quick")


def test_sigterm_ends_a_worker_that_waits_for_redis(
    own_valkey: StartValkey, lonely: Callable[[str], WorkerProcess]
) -> None:
    server = own_valkey()
    server.stop()
    worker = lonely(server.url)
    wait_until(lambda: worker.said("redis_away"))
    began = time.monotonic()
    assert worker.end() == 0
    assert time.monotonic() - began < 1


def test_a_flush_during_a_job_neither_fails_it_nor_stops_the_worker(
    worker: WorkerProcess, valkey: ValkeyServer
) -> None:
    horse = worker.do("slow", "begun")
    valkey.flush()
    wait_until(lambda: worker.did("ended") == [horse])
    worker.do("quick", "quick")
    wait_until(lambda: len(worker.said("job_done")) == 2)
    assert worker.messages == ["worker_started", "job_done", "job_done"]


def test_redis_that_hangs_for_a_moment_holds_work_up_no_longer(
    own_valkey: StartValkey, lonely: Callable[[str], WorkerProcess]
) -> None:
    server = own_valkey()
    worker = lonely(server.url)
    worker.do("quick", "quick")
    pid = server._child.pid if server._child else 0
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(pid, signal.SIGCONT)
    worker.do("quick", "quick")


def test_a_worker_starts_on_books_that_cannot_be_read(valkey: ValkeyServer, tmp_path: Path) -> None:
    valkey.flush()
    redis = Redis.from_url(valkey.url)
    redis.rpush(f"rq:queue:{QUEUE}:intermediate", b"\xff\xfe", b"a b", b"h1")
    redis.hset("rq:job:h1", "data", b"junk")
    redis.zadd(f"rq:wip:{QUEUE}", {b"\xff": 1, b"a b:c": 1, b"h1:x:y": 1})
    redis.sadd("rq:groups", b"\xff")
    redis.sadd("rq:workers", b"\xff", b"nonsense")
    worker = WorkerProcess(valkey.url, tmp_path)
    try:
        worker.do("quick", "quick")
        wait_until(lambda: not redis.exists(f"rq:queue:{QUEUE}:intermediate"))
        assert worker.process.poll() is None
    finally:
        worker.close()
        redis.close()
        valkey.flush()
