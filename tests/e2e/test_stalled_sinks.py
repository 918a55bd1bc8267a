"""All that a gateway tells the world stands still: who reads its output, the disk of its log, its collector, its mail
server, the receivers of its alerts. Its calls do not.
"""

import fcntl
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.test_observed import call, call_until_it_goes
from tests.running import COMMAND, RunningGateway, wait_until

pytestmark = pytest.mark.skipif(
    not hasattr(fcntl, "F_SETPIPE_SZ"), reason="without pipes that are made small it takes too many calls"
)


class Silence:
    """Takes connections, and never says a word. At `port`; close it."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self.taken.append(self._server.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self.taken:
            one.close()


class Unread(RunningGateway):
    """Its output is a pipe of a page, of which nobody reads any more once it runs."""

    def _start(self, output: Path) -> subprocess.Popen[bytes]:
        self._pipe, end = os.pipe()
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
        self.reads = threading.Event()
        self.reads.set()
        threading.Thread(target=self._read, args=(output,), daemon=True).start()
        try:
            return subprocess.Popen(
                [*COMMAND, "up"], env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=end, stderr=end
            )
        finally:
            os.close(end)

    def _read(self, output: Path) -> None:
        with output.open("ab", buffering=0) as file, os.fdopen(self._pipe, "rb", buffering=0) as pipe:
            while piece := pipe.read(4096):
                file.write(piece)
                self.reads.wait()

    def stall(self) -> None:
        """From here on its pipe takes nothing, not even a byte."""
        self.reads.clear()
        end = os.open(f"/proc/self/fd/{self._pipe}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            # The first page is the reader's last.
            wait_until(lambda: _fill(end) == 0, 30)
        finally:
            os.close(end)


def _fill(end: int) -> int:
    """How many bytes it took."""
    taken = 0
    with suppress(BlockingIOError):
        while True:
            taken += os.write(end, b"." if taken else b"\n")
    return taken


@pytest.fixture
def silences() -> dict[str, Silence]:
    return {name: Silence() for name in ("collector", "mail", "alerts")}


@pytest.fixture
def gateway(silences: dict[str, Silence]) -> Iterator[Unread]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-stalled-", ignore_cleanup_errors=True) as made:
        # To open it for writing takes until somebody reads, as a disk does that is away.
        log = Path(made) / "gate.log"
        os.mkfifo(log)
        alerts = f"http://127.0.0.1:{silences['alerts'].port}/hook"
        gateway = Unread(
            Path(made) / "home",
            TOLLHOUSE_WEB_PROCESSES="1",
            TOLLHOUSE_LOCAL_MODEL="off",
            TOLLHOUSE_LOG_FORMAT="json",
            TOLLHOUSE_LOG_FILE=str(log),
            TOLLHOUSE_BUDGET_ALERT_SECONDS="1",
            TOLLHOUSE_BUDGET_ALERT_EMAILS="ada@example.com",
            TOLLHOUSE_BUDGET_ALERT_URL=alerts,
            TOLLHOUSE_BUDGET_ALERT_PRIVATE="on",
            TOLLHOUSE_SMTP_URL=f"smtp://127.0.0.1:{silences['mail'].port}",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silences['collector'].port}",
        )
        try:
            yield gateway
        finally:
            gateway.reads.set()
            for one in silences.values():
                one.close()
            gateway.stop()


def test_calls_go_on_while_nobody_takes_what_is_told_of_them(gateway: Unread, silences: dict[str, Silence]) -> None:
    gateway.command("providers", "add", "host", "--format", "echo", "--base-url", "echo:?words=5")
    prices = ("--input-price", "100", "--output-price", "100")
    gateway.command("models", "add", "m", "--provider", "host", "--upstream-model", "echo", *prices)
    gateway.command("budgets", "set", "--model", "m", "--usd", "0.0001", "--period", "total", "--soft")
    gateway.stall()
    for _ in range(30):
        call_until_it_goes(gateway)
    wait_until(lambda: all(one.taken for one in silences.values()), 60, "nobody was told anything")
    for _ in range(100):
        call(gateway, "m")
    gateway.usage("m", 130)
    os.kill(web_processes(gateway)[-1], signal.SIGKILL)
    for _ in range(10):
        call_until_it_goes(gateway)
    gateway.usage("m", 140)


def test_what_dies_is_started_again_though_nobody_reads_that_it_died(gateway: Unread) -> None:
    gateway.stall()
    before = web_processes(gateway)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not set(before) & set(web_processes(gateway)), 30)
    call_until_it_goes(gateway, "echo")


def web_processes(gateway: Unread) -> list[int]:
    """gunicorn's arbiter, and the one that serves."""
    return sorted(pid for pid, said in gateway.children().items() if "gunicorn" in said)
