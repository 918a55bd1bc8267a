import json
import os
import pickle
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.integration.background.conftest import WorkerProcess, wait_until
from tests.servers.valkey import ValkeyServer
from tollhouse.kv.wake_up import FUNCTION, QUEUE

KEY = f"rq:queue:{QUEUE}"
LEGITIMATE = json.dumps([FUNCTION, None, ["quick"], {}]).encode()


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (self.folder,))


@pytest.fixture
def trap(lasting_worker: WorkerProcess) -> Path:
    """A folder that only a hostile job would make; the module `hostile` makes it when it is imported."""
    trap = lasting_worker.folder / "trap"
    (lasting_worker.folder / "hostile.py").write_text(f"import os; os.mkdir({str(trap)!r})\ndef run(*_): pass\n")
    return trap


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Where a hostile webhook would call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def redis(valkey: ValkeyServer) -> Iterator[Redis]:
    with Redis.from_url(valkey.url) as client:
        yield client


def push(redis: Redis, number: int, data: bytes, **fields: Any) -> None:
    redis.hset(f"rq:job:h{number}", mapping={"data": data, "status": "queued", "origin": QUEUE, **fields})
    redis.rpush(KEY, f"h{number}")


def test_no_hostile_job_runs_anything_and_the_worker_goes_on(
    lasting_worker: WorkerProcess, redis: Redis, trap: Path, listener: socket.socket
) -> None:
    hook = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}/", "job_status": "finished"}
    functions = [
        "os.mkdir",
        "hostile.run",
        "tollhouse.worker.WakeUpWorker",
        "builtins.eval",
        "tollhouse.worker.perform.x",
    ]
    datas = [
        *[json.dumps([name, None, [str(trap)], {}]).encode() for name in functions],
        json.dumps([FUNCTION, None, [str(trap)], {}]).encode(),
        json.dumps([FUNCTION, None, ["quick"], {"x": 1}]).encode(),
        json.dumps(["perform", "tollhouse.worker", ["quick"], {}]).encode(),
        pickle.dumps(("os.mkdir", None, (str(trap),), {})),
        pickle.dumps((FUNCTION, Bomb(trap), ("quick",), {})),
        pickle.dumps(Bomb(trap)),
        b"[" * 100_000,
        b"",
    ]
    for number, data in enumerate(datas):
        push(redis, number, data)
        push(redis, 100 + number, zlib.compress(data), result=pickle.dumps(Bomb(trap)), meta=pickle.dumps(Bomb(trap)))
    extras: list[dict[str, Any]] = [
        {"success_callback_name": "hostile.run"},
        {"failure_callback_name": "hostile.run", "timeout": "1"},
        {"stopped_callback_name": "hostile.run"},
        {"webhooks": json.dumps([hook])},
        {"meta": pickle.dumps(Bomb(trap)), "result": pickle.dumps(Bomb(trap))},
        {"dependency_ids": json.dumps(["h0"]), "group_id": "g", "repeats_left": "5", "repeat_intervals": "[1]"},
    ]
    before = len(lasting_worker.did("quick"))
    for number, fields in enumerate(extras, 200):
        push(redis, number, LEGITIMATE, **fields)
    wait_until(lambda: len(lasting_worker.did("quick")) == before + len(extras))
    lasting_worker.do("quick", "quick")
    assert not trap.exists()
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert len(lasting_worker.said("job_refused")) >= 2 * len(datas)


def test_a_kind_that_is_not_known_is_refused(lasting_worker: WorkerProcess, redis: Redis) -> None:
    push(redis, 1, json.dumps([FUNCTION, None, ["no_such_kind"], {}]).encode())
    wait_until(lambda: [line for line in lasting_worker.said("job_refused") if line.get("kind") == "no_such_kind"])
    lasting_worker.do("quick", "quick")


def test_ids_that_cannot_be_read_do_not_stop_the_worker(lasting_worker: WorkerProcess, redis: Redis) -> None:
    redis.rpush(KEY, b"\xff\xfe", b"a b", b"", b"../..", b"h:1:2")
    lasting_worker.do("quick", "quick")
    assert lasting_worker.said("queue_unreadable")


def test_nobody_stops_the_worker_through_redis(lasting_worker: WorkerProcess, redis: Redis) -> None:
    lasting_worker.do("quick", "quick")
    workers = redis.smembers("rq:workers")
    assert workers
    redis.set("rq:suspended", 1)
    for key in workers:
        name = key.decode().removeprefix("rq:worker:")
        redis.publish(f"rq:pubsub:{name}", json.dumps({"command": "shutdown"}))
    lasting_worker.do("quick", "quick")
    assert lasting_worker.process.poll() is None
    redis.delete("rq:suspended")
