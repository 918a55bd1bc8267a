"""How long a call takes whose reply is given again: `tollhouse up` with one web process, one connection, one after
another, as a single caller sees it.

    python -m bench.cached
"""

import http.client
import json
import signal
import statistics
import tempfile
import time
from pathlib import Path

from bench.gateway import Gateway
from bench.nginx import answers
from bench.processes import Failed

CALLS = 1000
MOST_MS = 2.0
"""The median of a hit."""


def measure(folder: Path) -> dict[str, list[float]]:
    """Milliseconds of each kind of call, the 10th, 50th and 99th percentile: the first is what a machine that does
    other things too would take without them.
    """
    gateway = Gateway(folder / "cached", None, TOLLHOUSE_WORKERS="0")
    gateway.command("db", "upgrade")
    gateway.command("providers", "add", "echo", "--format", "echo", "--base-url", "echo:")
    prices = ("--input-price", "0.15", "--output-price", "0.60")
    gateway.command("models", "add", "echo", "--provider", "echo", *prices)
    gateway.key = gateway.json("keys", "create", "--name", "bench")["key"]
    up = gateway.start("up")
    try:
        up.wait_until(lambda: answers(gateway.port, "/readyz"), "become ready")
        return {
            "a hit": _time(gateway, "max-age=3600", "hit"),
            "a hit, streamed": _time(gateway, "max-age=3600", "hit", stream=True),
            "a miss, kept": _time(gateway, "no-cache, max-age=3600", "miss"),
            "no cache": _time(gateway, "no-store", None),
        }
    finally:
        up.stop(signal.SIGINT)


def _time(gateway: Gateway, control: str, expected: str | None, *, stream: bool = False) -> list[float]:
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello " * 100}], "stream": stream}
    headers = {**gateway.headers, "content-type": "application/json", "cache-control": control}
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    times = []
    for number in range(CALLS + 50):
        began = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        times.append(1000 * (time.perf_counter() - began))
        if answer.status != 200 or (number and answer.headers["x-tollhouse-cache"] != expected):
            raise Failed(f"{answer.status}, {answer.headers['x-tollhouse-cache']} where {expected} was to come")
    connection.close()
    hundredths = statistics.quantiles(times[50:], n=100)
    return [hundredths[9], hundredths[49], hundredths[98]]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as folder:
        measured = measure(Path(folder))
    for kind, (fast, median, slow) in measured.items():
        print(f"{kind:16} 10 % within {fast:.2f} ms, median {median:.2f} ms, 99 % within {slow:.2f} ms")
    if measured["a hit"][1] > MOST_MS:
        raise SystemExit(f"the median of a hit is over {MOST_MS} ms")


if __name__ == "__main__":
    main()
