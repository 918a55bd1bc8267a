"""The measurement: all contestants in each round, one after the other, so that noise hits all alike."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from bench import machine
from bench.contestants import Contestant
from bench.load import Load, check
from bench.processes import cpu_seconds, resident_bytes


@dataclass(slots=True)
class Score:
    """What one contestant did, a figure for each round. Times in ms, processor time in µs a call, memory in bytes."""

    label: str
    rates: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    database_cpu: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    """Cores that were busy with something which is no part of the bench."""

    @property
    def rate(self) -> float:
        return median(self.rates)


def run(
    contestants: Mapping[str, Contestant], upstream_pid: int, load: Load, rounds: int, seconds: float, warm_up: float
) -> dict[str, Score]:
    """Warm all up, measure all in each round, check what they booked. Failed at the first call that was not served."""
    scores = {name: Score(one.label) for name, one in contestants.items()}
    calls = dict.fromkeys(contestants, 0)
    for name, one in contestants.items():
        check(one.label, one.port, one.headers)
        calls[name] += 1 + load.run(one.label, one.port, one.headers, warm_up).calls
        check(one.label, one.port, one.headers)
    order = list(contestants)
    for number in range(rounds):
        for name in order:
            calls[name] += _measure(contestants[name], upstream_pid, load, seconds, scores[name])
            print(f"round {number + 1} of {rounds}: {scores[name].rates[-1]:8,.0f} requests/s  {name}", flush=True)
        order = order[1:] + order[:1]  # nobody always follows the same neighbour
    for name, one in contestants.items():
        check(one.label, one.port, one.headers)
        one.audit(calls[name])
    return scores


def _measure(one: Contestant, upstream_pid: int, load: Load, seconds: float, score: Score) -> int:
    databases = [child.pid for child in one.databases]
    began, busy, upstream = time.monotonic(), machine.busy_seconds(), cpu_seconds(upstream_pid)
    own, stored = cpu_seconds(one.child.pid), sum(map(cpu_seconds, databases))
    measured = load.run(one.label, one.port, one.headers, seconds)
    own = cpu_seconds(one.child.pid) - own
    stored = sum(map(cpu_seconds, databases)) - stored
    ours = own + stored + measured.tool_cpu + cpu_seconds(upstream_pid) - upstream
    others = machine.busy_seconds() - busy - ours
    score.rates.append(measured.rate)
    score.p50s.append(measured.p50)
    score.p99s.append(measured.p99)
    score.cpu.append(own / measured.calls * 1e6)
    score.database_cpu.append(stored / measured.calls * 1e6)
    score.memory.append(resident_bytes(one.child.pid))
    score.others.append(max(0.0, others / (time.monotonic() - began)))
    return measured.calls
