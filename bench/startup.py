"""How long Tollhouse takes to start, and what its processes take when nobody calls."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.gateway import Gateway
from bench.nginx import answers
from bench.processes import cpu_seconds, own_resident_bytes, tree

IDLE_SECONDS = 8.0

APPLICATION = """
import time
began = time.perf_counter()
from gevent import monkey
monkey.patch_all()
from tollhouse.web.create_app import create_app
application = create_app()
print(time.perf_counter() - began, flush=True)
application.extensions["tollhouse"].close()
"""
"""What a web process does from its fork to its first call: patch, import, build."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds: from the exec of `tollhouse web` to its first 200 on /healthz, and of them the application's."""

    web: float
    application: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Idle:
    """A process of `tollhouse up`: resident bytes, its share of them, and its processor time in per cent of a core."""

    name: str
    resident: int
    share: int
    cpu: float


def cold_start(folder: Path, source: Path | None, rounds: int) -> Start:
    """Medians, with a database that is there and files that the kernel has read before."""
    gateway = Gateway(folder / "cold", source)
    gateway.command("db", "upgrade")
    web, application = [], []
    for _ in range(rounds):
        child = gateway.start("web")
        web.append(child.wait_until(lambda: answers(gateway.port, "/healthz"), "answer"))
        child.stop()
        python = gateway.python("-c", APPLICATION)
        python.wait(30)
        application.append(float(python.log.read_text(encoding="utf-8").split()[-1]))
        python.log.unlink()
    return Start(median(web), median(application), rounds)


def idle_memory(folder: Path, source: Path | None) -> list[Idle]:
    """Each process that `tollhouse up` starts, without the local model."""
    gateway = Gateway(folder / "idle", source)
    up = gateway.start("up")
    try:
        up.wait_until(lambda: answers(gateway.port, "/readyz"), "become ready")
        time.sleep(2)
        before = {pid: cpu_seconds(pid) for pid in tree(up.pid)}
        time.sleep(IDLE_SECONDS)
        named = ((pid, process_name(pid, up.pid)) for pid in tree(up.pid))
        return [
            Idle(name, own_resident_bytes(pid), _share(pid), (_own_cpu(pid, before)) / IDLE_SECONDS * 100)
            for pid, name in named
        ]
    finally:
        up.stop(signal.SIGINT)


def process_name(pid: int, up: int) -> str:
    """What a process of `tollhouse up` is."""
    if pid == up:
        return "up, the supervisor"
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        parent = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return "ended"
    if "gunicorn" in words:
        return "web: gunicorn's arbiter" if parent == up else "web: the process that serves"
    if "valkey" in words:
        return "redis: the embedded server"
    for part in ("worker", "scheduler"):
        if part in words:
            return part if parent == up else f"{part}: a child"
    return words[:60]


def _own_cpu(pid: int, before: dict[int, float]) -> float:
    return cpu_seconds(pid) - before[pid] if pid in before else 0.0


def _share(pid: int) -> int:
    """Its memory with what it shares divided among the sharers (PSS)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
