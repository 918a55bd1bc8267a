"""Many streams open at once in one web process of Tollhouse, and the same without it."""

import json
import math
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench.gateway import Gateway
from bench.nginx import answers
from bench.processes import Child, Failed, cpu_seconds, free_port, own_resident_bytes, tree

CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Streamed:
    """What was seen. Times are in milliseconds, memory in bytes, processor time in µs a token."""

    label: str
    most_open: int
    opening: tuple[float, float]
    probes: tuple[float, float]
    delays: tuple[float, float]
    tokens: int
    tokens_due: int
    failures: list[str]
    memory: int | None = None
    cpu: float | None = None

    def problem(self) -> str:
        """What did not go as it should; empty where all did."""
        if self.failures:
            return f"{len(self.failures)} streams failed on {self.label}, the first: {self.failures[0]}"
        return ""


def measure(folder: Path, source: Path | None, streams: int, ramp: float, hold: float) -> list[Streamed]:
    """First straight from the upstream, for comparison. `problem` of each tells whether it may be reported."""
    upstream, port = start_upstream(folder)
    with ExitStack() as running:
        running.callback(upstream.stop)
        trial = Trial(folder, streams, ramp, hold)
        direct = trial.run("the upstream itself", port)
        gateway = Gateway(folder / "streams", source)
        gateway.prepare(port)
        web = gateway.start_web()
        running.callback(web.stop)
        through = trial.run("Tollhouse on SQLite", gateway.port, gateway.key, web)
        web.stop()
        if (booked := gateway.booked()) < streams - len(through.failures):
            raise Failed(f"Tollhouse carried {streams} streams and booked {booked}.")
    return [direct, through]


def start_upstream(folder: Path) -> tuple[Child, int]:
    """The streaming upstream, and its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.streaming_upstream", port]
    child = Child("streaming_upstream", command, folder, {"PYTHONPATH": str(CHECKOUT)})
    child.wait_until(lambda: answers(port, "/v1/models"), "answer")
    return child, port


@dataclass(frozen=True, slots=True)
class Trial:
    """So many streams, opened in `ramp` seconds and then all open for `hold`, by a client of its own process."""

    folder: Path
    streams: int
    ramp: float
    hold: float

    def run(self, label: str, port: int, key: str = "none", web: Child | None = None) -> Streamed:
        command = [sys.executable, "-m", "bench.streaming_client", port, key, self.streams, self.ramp, self.hold]
        before = cpu_seconds(web.pid) if web else 0.0
        client = Child(f"streaming_client_{port}", command, self.folder, {"PYTHONPATH": str(CHECKOUT)})
        peak = 0
        while client.lives():
            if web:
                # The arbiter serves nothing: it is the worker's memory that streams take.
                peak = max(peak, *(own_resident_bytes(pid) for pid in tree(web.pid)))
            time.sleep(0.5)
        if client.wait(1) != 0:
            raise Failed(f"The streaming client failed on {label}:\n{client.tail()}")
        seen = json.loads(client.log.read_text(encoding="utf-8").splitlines()[-1])
        if seen["most_open"] < self.streams and not seen["failures"]:
            seen["failures"].append(f"no more than {seen['most_open']} streams were open at once")
        return Streamed(
            label,
            seen["most_open"],
            _spread(seen["first_tokens"]),
            _spread(seen["probes"]),
            _spread(seen["delays"]),
            seen["tokens"],
            seen["tokens_due"],
            seen["failures"],
            peak if web else None,
            (cpu_seconds(web.pid) - before) / seen["tokens"] * 1e6 if web else None,
        )


def _spread(seconds: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    if len(seconds) < 2:
        return (math.nan, math.nan)
    return median(seconds) * 1e3, quantiles(seconds, n=100)[98] * 1e3
