"""`tollhouse worker`: a process for each kind of work, kept running and ended together."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import COMMAND, wait_until
from tests.servers.valkey import ValkeyServer
from tollhouse.settings import Settings
from tollhouse.up.workers import worker_parts


@pytest.fixture
def worker(tmp_path: Path, valkey: ValkeyServer) -> Iterator[subprocess.Popen[bytes]]:
    """`tollhouse worker` on a home of its own; its output is in the folder."""
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "TOLLHOUSE_HOME": str(tmp_path / "home"),
        "TOLLHOUSE_REDIS_URL": valkey.url,
        "TOLLHOUSE_LOG_FORMAT": "json",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*COMMAND, "worker"], env=environment, cwd=tmp_path, stdout=log, stderr=log)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait(30)


def test_there_is_one_for_each_queue_one_that_dies_is_started_again_and_they_end_together(
    worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    def said(words: str) -> int:
        return (tmp_path / "log").read_text().count(words)

    def parts() -> dict[str, int]:
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        commands = {int(one): Path(f"/proc/{one}/cmdline").read_bytes().decode() for one in children}
        return {command.split("\0")[-2]: pid for pid, command in commands.items()}

    wait_until(lambda: said('"worker_started"') == 4, 60, "not all of them start")
    for queue in ("tollhouse", "tollhouse-batches", "tollhouse-responses", "tollhouse-webhooks"):
        assert said(f'"queue":"{queue}"') == 1
    assert parts().keys() == {"--short", "--batches", "--responses", "--webhooks"}
    os.kill(parts()["--batches"], signal.SIGKILL)
    wait_until(lambda: said('"worker_started"') == 5, 60, "it is not started again")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert said('"worker_stopped"') == 4


def test_workers_for_batches_are_as_many_as_is_said_and_are_waited_for_as_long_as_for_their_calls() -> None:
    parts = worker_parts(Settings(worker_stop_seconds=100), batches=3)
    assert [part.name.partition("--")[2] for part in parts] == [
        "short",
        "batches 1",
        "batches 2",
        "batches 3",
        "responses",
        "webhooks",
    ]
    assert {part.grace_seconds for part in parts} == {105}
    assert all(part.argv[:2] == [sys.executable, "-m"] for part in parts)
