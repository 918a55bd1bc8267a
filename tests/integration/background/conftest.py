import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.servers.valkey import ValkeyServer, start_valkey
from tollhouse.kv.queue import RqQueue

PROGRAM = Path(__file__).with_name("program.py")


def wait_until(there: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def is_alive(pid: int) -> bool:
    """Whether a process does anything: one that ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class LoggedProcess:
    """A process of the gateway and what it says. Close it."""

    def __init__(self, folder: Path, name: str, command: list[str]) -> None:
        self.folder = folder
        self._log = folder / f"{name}.log"
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                cwd=folder,
                start_new_session=True,
            )

    @property
    def events(self) -> list[dict[str, Any]]:
        """All lines so far; one that is no JSON fails the test."""
        return [orjson.loads(line) for line in self._log.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"]

    @property
    def messages(self) -> list[str]:
        return [event["message"] for event in self.events]

    def said(self, message: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["message"] == message]

    def end(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class WorkerProcess(LoggedProcess):
    """A worker with the kinds of program.py, what it does, and a queue to wake it through."""

    def __init__(self, url: str, folder: Path, stop_seconds: float = 20) -> None:
        super().__init__(folder, "worker", [str(PROGRAM), url, str(folder), str(stop_seconds)])
        self.queue = RqQueue(url)

    def did(self, word: str) -> list[int]:
        """The ids of the work-horses that wrote this word."""
        try:
            lines = (self.folder / "done").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [int(pid) for said, _, pid in (line.partition(" ") for line in lines) if said == word]

    def wake(self, kind: str) -> None:
        """Enqueue, and try again while Redis is away."""
        wait_until(lambda: self.queue.enqueue(kind))

    def do(self, kind: str, word: str) -> int:
        """Wake it for `kind` and wait until it has written `word` once more; the work-horse's id."""
        before = len(self.did(word))
        self.wake(kind)
        wait_until(lambda: len(self.did(word)) > before)
        return self.did(word)[-1]

    def close(self) -> None:
        super().close()
        self.queue.close()


@pytest.fixture(scope="module")
def lasting_worker(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """A worker that all tests of a file wake, and none ends."""
    valkey.flush()
    worker = WorkerProcess(valkey.url, tmp_path_factory.mktemp("worker"))
    yield worker
    worker.close()
    valkey.flush()


@pytest.fixture
def worker(valkey: ValkeyServer, tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker on the shared server, which is empty before and after."""
    valkey.flush()
    worker = WorkerProcess(valkey.url, tmp_path)
    yield worker
    worker.close()
    valkey.flush()


@pytest.fixture
def own_valkey(
    servers_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], ValkeyServer]]:
    """Starts a server of the test's own, at the same place each time: one that it may stop."""
    monkeypatch.delenv("TEST_REDIS_URL", raising=False)
    started = []

    def start() -> ValkeyServer:
        started.append(start_valkey(servers_folder / tmp_path.name[-30:]))
        return started[-1]

    yield start
    for server in started:
        server.stop()
