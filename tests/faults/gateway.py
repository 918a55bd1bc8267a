"""The gateway's processes, each started, killed and watched by itself."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.faults.client import MODEL, Client
from tests.faults.servers import signal_all, tree_of
from tests.faults.upstream import Upstream
from tests.running import free_port, wait_until
from tests.servers.process import LAUNCHER
from tollhouse import settings, wiring
from tollhouse.domain.money import NANOS_PER_USD
from tollhouse.services.models.models import NewModel
from tollhouse.store.database import Database

COMMAND = (sys.executable, "-m", "tollhouse")
KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR")
INPUT_PRICE, OUTPUT_PRICE = NANOS_PER_USD, 5 * NANOS_PER_USD
"""Nano-dollars per million tokens."""
LIMIT = 1000 * NANOS_PER_USD


class Process:
    """`tollhouse NAME`, what it says, and what it started."""

    def __init__(self, name: str, home: Path, environment: dict[str, str], log: Path) -> None:
        self.name, self.log = name, log
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGKILL)), "", *COMMAND]
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                [*launch, name],
                env=environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def workers(self) -> list[int]:
        """gunicorn's processes that serve."""
        return [pid for pid in tree_of(self.child.pid)[1:] if _runs(pid)]

    @property
    def events(self) -> list[dict[str, Any]]:
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def said(self, message: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("message") == message]

    def kill(self) -> None:
        """All of it, at once."""
        signal_all(tree_of(self.child.pid), signal.SIGKILL)
        self.child.wait()

    def stop(self, seconds: float = 30) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end:\n{self.log.read_text()[-3000:]}") from None


class Gateway:
    """A home with a key, a budget that covers all calls, and one model at the upstream. `stop` it."""

    def __init__(
        self,
        home: Path,
        upstream: Upstream,
        redis_url: str,
        *,
        database_url: str = "",
        logs: Path | None = None,
        **given: str,
    ) -> None:
        self.home, self.upstream = home, upstream
        self.logs = logs or home.with_name(f"{home.name}-logs")
        home.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        self.port = free_port()
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(home),
            "TOLLHOUSE_HOME": str(home),
            "TOLLHOUSE_PORT": str(self.port),
            "TOLLHOUSE_REDIS_URL": redis_url,
            "TOLLHOUSE_DATABASE_URL": database_url,
            "TOLLHOUSE_SECRET_KEY": "a secret for tests that is long enough",
            "TOLLHOUSE_LOG_FORMAT": "json",
            "TOLLHOUSE_LOCAL_MODEL": "off",
            "TOLLHOUSE_WEB_PROCESSES": "1",
            "TOLLHOUSE_ROLL_UP_SECONDS": "0.5",
            **given,
        }
        read = settings.load(self.environment, home / "no.env")
        self.environment["PROMETHEUS_MULTIPROC_DIR"] = str(read.metrics_folder)
        read.metrics_folder.mkdir(mode=0o700, exist_ok=True)
        self.metrics_folder = read.metrics_folder
        self.spool = home / wiring.SPOOL
        self.database = Database(wiring.database_url(read))
        self.key = self._prepare(read)
        self.client = Client(self.port, self.key)
        self.processes: list[Process] = []

    def start(self, name: str, *, ready: bool = True, **given: str) -> Process:
        """Start `tollhouse NAME`, and wait until web is ready, unless it cannot be."""
        log = self.logs / f"{name}-{len(self.processes)}.log"
        self.processes.append(Process(name, self.home, {**self.environment, **given}, log))
        if name == "web" and ready:
            self.await_ready()
        return self.processes[-1]

    def await_ready(self, seconds: float = 60) -> float:
        """Seconds until it is."""
        began = time.monotonic()
        wait_until(lambda: self.client.get("/readyz").status == 200, seconds, "the gateway does not get ready")
        return time.monotonic() - began

    def running(self, name: str) -> Process:
        """The one process of this name."""
        (found,) = [one for one in self.processes if one.name == name and one.child.poll() is None]
        return found

    def readiness(self) -> tuple[int, dict[str, Any]]:
        answer = self.client.get("/readyz")
        return answer.status, json.loads(answer.body)

    def metric(self, name: str) -> dict[str, float]:
        """By its labels, as they are written; without labels by ""."""
        found = {}
        for line in self.client.get("/metrics").body.decode().splitlines():
            sample, _, value = line.rpartition(" ")
            if sample == name or sample.startswith(f"{name}{{"):
                found[sample.removeprefix(name)] = float(value)
        return found

    def stop(self) -> None:
        """Raises when a process does not end."""
        try:
            for one in reversed(self.processes):
                one.stop()
        finally:
            for one in self.processes:
                if one.child.poll() is None:
                    one.kill()
            self.database.close()
            for file in self.metrics_folder.glob("*.db"):
                file.unlink(missing_ok=True)
            with suppress(OSError):
                self.metrics_folder.rmdir()

    def _prepare(self, read: settings.Settings) -> str:
        services = wiring.build(read, "cli")
        try:
            key = services.bootstrap.prepare().first_key
            assert key
            services.providers.register("scripted", "openai", self.upstream.url, credential="sk-up", allow_private=True)
            model = NewModel(
                MODEL, "scripted", input_price=INPUT_PRICE, output_price=OUTPUT_PRICE, context_window=10**8
            )
            services.models.register([model])
            (first,) = services.keys.all()
            services.budgets.set(("key", first.id), LIMIT, "total")
        finally:
            services.close()
        return key


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process that does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
