"""How fast one worker works off batches of echoes, and what memory that takes: `tollhouse up`, as a user runs it."""

import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.gateway import Gateway
from bench.nginx import answers
from bench.processes import Failed, own_resident_bytes, tree
from bench.startup import process_name

CONCURRENCY = 32
"""The setting's default."""
TRIALS = ((10_000, 50), (10_000, 0), (100_000, 0))
"""Lines, and milliseconds that a call takes."""
MOST_MB = 300
ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Worked:
    """One batch: seconds of its validation, and of its calls up to the end; the most that a worker process had."""

    lines: int
    delay_ms: int
    validated: float
    called: float
    peak: int

    @property
    def ratio(self) -> float | None:
        """How many times as long as the calls alone would take; None where they take no time."""
        ideal = self.lines * self.delay_ms / 1000 / CONCURRENCY
        return self.called / ideal if ideal else None

    def problem(self) -> str:
        if self.peak > MOST_MB * 1e6:
            return f"a batch of {self.lines} lines took {self.peak / 1e6:.0f} MB, more than {MOST_MB}"
        return ""


def measure(folder: Path, source: Path | None) -> list[Worked]:
    """The trials, one after another in one gateway."""
    gateway = Gateway(folder / "batches", source, TOLLHOUSE_BATCH_CONCURRENCY=str(CONCURRENCY))
    gateway.command("db", "upgrade")
    for delay_ms in {delay_ms for _, delay_ms in TRIALS}:
        name = f"echo-{delay_ms}"
        gateway.command("providers", "add", name, "--format", "echo", "--base-url", f"echo:?delay_ms={delay_ms}")
        prices = ("--input-price", "0.15", "--output-price", "0.60")
        gateway.command("models", "add", name, "--provider", name, *prices)
    gateway.key = gateway.json("keys", "create", "--name", "bench")["key"]
    up = gateway.start("up")
    try:
        up.wait_until(lambda: answers(gateway.port, "/readyz"), "become ready")
        return [_work(gateway, up.pid, lines, delay_ms) for lines, delay_ms in TRIALS]
    finally:
        up.stop(signal.SIGINT)


def _work(gateway: Gateway, up: int, lines: int, delay_ms: int) -> Worked:
    file = gateway.home / f"calls-{lines}-{delay_ms}.jsonl"
    with file.open("w", encoding="utf-8") as content:
        for number in range(lines):
            messages = [{"role": "user", "content": f"Say hello to number {number}."}]
            body = {"model": f"echo-{delay_ms}", "messages": messages, "max_tokens": 50}
            line = {"custom_id": f"call-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            content.write(json.dumps(line) + "\n")
    submitted = gateway.command("batch", "submit", str(file), "--json", TOLLHOUSE_API_KEY=gateway.key)
    id, began = json.loads(submitted)["id"], time.perf_counter()
    validated, peak = 0.0, 0
    while True:
        batch = _batch(gateway, id)
        peak = max(peak, _worker_bytes(up))
        if not validated and batch["status"] != "validating":
            validated = time.perf_counter() - began
        if batch["status"] in ENDED:
            break
        time.sleep(0.1)
    if batch["request_counts"]["completed"] != lines:
        raise Failed(f"the batch {id} is {batch['status']}: {batch['request_counts']} {batch['errors']}")
    return Worked(lines, delay_ms, validated, time.perf_counter() - began - validated, peak)


def _batch(gateway: Gateway, id: str) -> Any:
    asked = Request(f"http://127.0.0.1:{gateway.port}/v1/batches/{id}", headers=gateway.headers)
    with urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own address
        return json.loads(answer.read())


def _worker_bytes(up: int) -> int:
    """Of the largest worker process, its work-horse among them."""
    workers = [pid for pid in tree(up) if process_name(pid, up).startswith("worker")]
    return max(map(own_resident_bytes, workers), default=0)
