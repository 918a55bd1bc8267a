"""gunicorn as `tollhouse web` runs it, with a stub for an application."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import free_port, wait_until
from tollhouse.settings import load

STALL_SECONDS = 0.5


class StubServer:
    """A running gunicorn. Stop it."""

    def __init__(self, folder: Path, before: str = "", **settings: str) -> None:
        """`before` is what a shell does first, such as a `ulimit`."""
        self.port = free_port()
        self.home = folder / "home"
        self.home.mkdir()
        self._events = folder / "events"
        self._events.touch()
        self._log = folder / "log"
        environment = {
            **os.environ,
            "EVENTS": str(self._events),
            "TOLLHOUSE_HOME": str(self.home),
            "TOLLHOUSE_PORT": str(self.port),
            "TOLLHOUSE_HOST": "127.0.0.1",
            "TOLLHOUSE_WEB_PROCESSES": "1",
            "TOLLHOUSE_STALLED_CLIENT_SECONDS": str(STALL_SECONDS),
            **settings,
        }
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:tollhouse.web.gunicorn_config"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    f'{before}\nexec "$@"',
                    "sh",
                    *gunicorn,
                    "--pythonpath",
                    str(Path(__file__).parent),
                    "stub:application",
                ],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, what=self.log())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def get(self, path: str) -> bytes:
        """The whole answer, head and body, of a connection of its own."""
        with self.connect() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: stub\r\nConnection: close\r\n\r\n".encode())
            return read_to_end(connection)

    def worker(self) -> int:
        """Its process id, as a number."""
        return int(self.get("/").rpartition(b"\r\n\r\n")[2])

    @property
    def metrics_folder(self) -> Path:
        return load({"TOLLHOUSE_HOME": str(self.home)}, self.home / ".env").metrics_folder

    def events(self) -> list[str]:
        return self._events.read_text().splitlines()

    def log(self) -> str:
        """All that gunicorn and its workers have said."""
        return self._log.read_text()

    def forget(self) -> None:
        self._events.write_text("")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """The seconds that it took, by default to a graceful end."""
        started = time.monotonic()
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - started

    def _answers(self) -> bool:
        try:
            return self.get("/").startswith(b"HTTP/1.1 200")
        except OSError:
            assert self.process.poll() is None, self.log()
            return False


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the other side ends it, be it with a reset."""
    found = b""
    try:
        while data := connection.recv(65_536):
            found += data
    except ConnectionResetError:
        pass
    return found


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    server = StubServer(tmp_path_factory.mktemp("stub"))
    yield server
    server.stop(signal.SIGINT)


@pytest.fixture
def server(shared_server: StubServer) -> StubServer:
    """A server whose clients may stall for STALL_SECONDS."""
    shared_server.forget()
    return shared_server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., StubServer]]:
    """Start a server of one's own, with these settings, after some line of shell."""
    servers = []

    def start(before: str = "", **settings: str) -> StubServer:
        servers.append(StubServer(tmp_path, before, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop(signal.SIGINT)
