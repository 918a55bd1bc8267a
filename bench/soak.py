"""`make soak`: `tollhouse up` under a steady load for half an hour. It fails when memory or open files grow."""

import argparse
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.gateway import Gateway
from bench.growth import Samples, table
from bench.nginx import answers
from bench.processes import Child, Failed, open_files, own_resident_bytes, tree
from bench.startup import process_name
from bench.streams import CHECKOUT, start_upstream

RESULTS = Path(__file__).parent / "results" / "soak.md"
SAMPLE_SECONDS = 10.0
WARM_UP_SECONDS = 600.0
"""Or a third of the time, where that is less."""
NOT_JUDGED = ("redis", "worker: a child")
"""Redis is not ours, and a work-horse lives as long as its job."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--calls", type=float, default=50, help="whole calls a second")
    parser.add_argument("--streams", type=int, default=40, help="streams that are always open")
    parser.add_argument("--source", type=Path, help="Tollhouse of another checkout: its folder src")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tollhouse-soak-") as made:
        try:
            report, problems = _soak(Path(made), given)
        except Failed as failed:
            print(f"The soak stopped: {failed}", file=sys.stderr)
            return 1
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(report, encoding="utf-8")
    print(report)
    for problem in problems:
        print(f"FAILED: {problem}.", file=sys.stderr)
    return 1 if problems else 0


def _soak(folder: Path, given: argparse.Namespace) -> tuple[str, list[str]]:
    seconds = given.minutes * 60
    with ExitStack() as running:
        upstream, upstream_port = start_upstream(folder)
        running.callback(upstream.stop)
        gateway = Gateway(folder / "home", given.source)
        gateway.prepare(upstream_port)
        up = gateway.start("up")
        running.callback(up.stop, signal.SIGINT)
        up.wait_until(lambda: answers(gateway.port, "/readyz"), "become ready")
        load = [gateway.port, gateway.key, given.calls, given.streams, seconds]
        command = [sys.executable, "-m", "bench.steady_client", *load]
        client = Child("steady_client", command, folder, {"PYTHONPATH": str(CHECKOUT)})
        running.callback(client.stop)
        samples = _watch(up, client, seconds)
        if client.wait(60) != 0:
            raise Failed(f"The client failed:\n{client.tail()}")
        done = json.loads(client.log.read_text(encoding="utf-8"))
        booked = gateway.booked()
    warm = [one.after(min(WARM_UP_SECONDS, seconds / 3)) for one in samples.values()]
    # A process that came later, or went before the end, has too little to be fitted.
    steady = [one for one in warm if len(one.at) > 2]
    problems = [problem for one in steady if not one.name.startswith(NOT_JUDGED) and (problem := one.problem())]
    answered = done["calls"] + done["streams"] + done["left"]
    if done["failures"]:
        problems.append(f"{len(done['failures'])} calls failed, the first with {done['failures'][0]}")
    if booked < answered:
        problems.append(f"{answered} calls were answered and {booked} booked")
    said = (
        f"# The soak\n\n{given.minutes:g} minutes, {done['calls']:,} whole calls, {done['streams']:,} streams and "
        f"{done['left']:,} that their client left; {booked:,} ledger rows; {len(done['failures'])} failures. "
        f"{len(steady[0].at) if steady else 0} samples after the warm-up.\n\n"
    )
    return said + table(steady), problems


def _watch(up: Child, client: Child, seconds: float) -> dict[str, Samples]:
    """Look at each process every few seconds while the load lasts."""
    samples: dict[str, Samples] = {}
    began = time.monotonic()
    due = 0.0
    while due <= seconds:
        time.sleep(max(0.0, began + due - time.monotonic()))
        if not up.lives():
            raise Failed(f"tollhouse up ended. Its log ends:\n{up.tail()}")
        if not client.lives() and due < seconds - SAMPLE_SECONDS:
            raise Failed(f"The client ended early:\n{client.tail()}")
        for pid in tree(up.pid):
            name = process_name(pid, up.pid)
            samples.setdefault(name, Samples(name)).add(due, own_resident_bytes(pid), open_files(pid))
        if int(due) % 60 == 0:
            print(f"{due / 60:4.0f} min: " + _now(samples), flush=True)
        due += SAMPLE_SECONDS
    return samples


def _now(samples: dict[str, Samples]) -> str:
    return ", ".join(f"{one.name} {one.memory[-1] / 1e6:.1f} MB {one.files[-1]} files" for one in samples.values())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("The soak was interrupted; what it had started is stopped.")
