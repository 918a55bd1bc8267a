"""`make bench`: everyone answers the same calls on this machine; then start, memory, translation, batches, streams."""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import (
    batches,
    contestants,
    machine,
    nginx,
    notes,
    peers,
    rounds,
    startup,
    streams,
    table,
    tools,
    translation,
)
from bench.load import Load
from bench.processes import Failed

RESULTS = Path(__file__).parent / "results" / "latest.md"
PARTS = ("calls", "startup", "translation", "batches", "streams")


def main() -> int:
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # PostgreSQL may have to run as another user
        parts: list[str] = []
        try:
            for part in _parts(given, folder):
                print(f"\n{part}", flush=True)
                parts.append(part)
        except Failed as failed:
            print(f"The bench stopped: {failed}", file=sys.stderr)
            return 1
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("\n".join(parts), encoding="utf-8")
    print(f"This is in {given.output}.")
    return 0


def _parts(given: argparse.Namespace, folder: Path) -> Iterator[str]:
    used = [tools.version(name) for name in _tools(given)]
    command = "make bench" + (f' ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else "")
    yield "# The bench\n"
    yield table.preamble(command, machine.synced_write_ms(folder), used)
    if "calls" in given.parts:
        yield f"## Calls\n\n{_calls(given, folder)}\n{notes.CALLS.format(**vars(given))}"
    if "startup" in given.parts:
        print("start and idle memory ...", flush=True)
        start = startup.cold_start(folder, given.source, given.rounds)
        idle = startup.idle_memory(folder, given.source)
        yield f"## Start and idle memory\n\n{table.startup(start, idle)}\n{notes.STARTUP}"
    if "translation" in given.parts:
        print("translations ...", flush=True)
        translated = translation.measure(folder, given.source)
        yield f"## Translation\n\n{table.translation(translated)}\n{notes.TRANSLATION}{translation.verdict(translated)}"
    if "batches" in given.parts:
        print("batches ...", flush=True)
        worked = batches.measure(folder, given.source)
        yield f"## Batches\n\n{table.batches(worked)}\n{notes.BATCHES}"
        for batch in worked:
            if problem := batch.problem():
                raise Failed(problem)
    if "streams" in given.parts:
        print(f"{given.streams} streams, once without and once with Tollhouse ...", flush=True)
        streamed = streams.measure(folder, given.source, given.streams, given.ramp, given.hold)
        yield f"## Streams\n\n{table.streams(streamed)}\n{notes.STREAMS.format(**vars(given))}"
        for one in streamed:
            if problem := one.problem():
                raise Failed(problem)


def _calls(given: argparse.Namespace, folder: Path) -> str:
    peers.install(given.only)
    with ExitStack() as running:
        upstream = nginx.upstream(folder / "upstream")
        running.callback(upstream.child.stop)
        around = contestants.Surroundings(folder, upstream.port, given.source)
        started = {}
        for name in given.only:
            print(f"starting {name} ...", flush=True)
            started[name] = contestants.start(name, around)
            running.callback(started[name].stop)
        load = Load(folder, given.connections, given.threads)
        scores = rounds.run(started, upstream.child.pid, load, given.rounds, given.seconds, given.warm_up)
    return table.calls(scores)


def _tools(given: argparse.Namespace) -> list[str]:
    if "calls" not in given.parts:
        return []
    return ["nginx", "wrk", *(["node"] if "portkey" in given.only else [])]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = contestants.names()
    parser.add_argument("--only", type=_some_of(names), default=names, metavar="NAME,...", help=", ".join(names))
    parser.add_argument("--parts", type=_some_of(PARTS), default=PARTS, metavar="PART,...", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument(
        "--warm-up", type=float, default=10, help="seconds, once for each contestant: node compiles late"
    )
    parser.add_argument("--connections", type=int, default=64, help="enough to keep everyone busy")
    parser.add_argument("--threads", type=int, default=1, help="of wrk")
    parser.add_argument("--streams", type=int, default=1000, help="open at once")
    parser.add_argument("--ramp", type=float, default=10, help="seconds in which the streams are opened")
    parser.add_argument("--hold", type=float, default=20, help="seconds for which all of them are open")
    parser.add_argument("--source", type=Path, help="measure Tollhouse of another checkout: its folder src")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the file for the report")
    return parser.parse_args()


def _some_of(names: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        asked = text.split(",")
        if unknown := set(asked) - set(names):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there is {', '.join(names)}")
        return tuple(name for name in names if name in asked)

    return read


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("The bench was interrupted; what it had started is stopped.")
