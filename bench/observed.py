"""What it costs to watch calls: processor time of a call, with nothing of it on and with each part, in one process.

    python -m bench.observed

One process makes all calls and takes turns: so many calls with nothing, so many with traces, and so on, again and
again, each until its last span, line and row is away. What others do on the machine then hits all alike. Needs nginx.
"""

import argparse
import io
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

AT_ONCE = 32
"""Greenlets that call, one call after another each."""
CALLS = 320
"""Of a turn."""


class Watched:
    """The application in this process, set up as the bench has it, with nothing on."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        from bench import nginx
        from bench.collector import Collector
        from bench.conversation import request_body
        from bench.gateway import Gateway
        from bench.valkey import Valkey

        upstream, valkey, collector = nginx.upstream(folder / "up"), Valkey(folder / "kv"), Collector(folder / "traces")
        for stop in (upstream.child.stop, valkey.stop, collector.stop):
            running.callback(stop)
        given = {
            "TOLLHOUSE_HOME": str(folder / "home"),
            "TOLLHOUSE_REDIS_URL": valkey.url,
            "TOLLHOUSE_LOG_FORMAT": "json",
            "TOLLHOUSE_LOG_FILE": str(folder / "gate.log"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        gateway = Gateway(folder / "home", None, **given)
        gateway.prepare(upstream.port)
        os.environ |= given

        from tollhouse import traces
        from tollhouse.web.create_app import create_app

        app = create_app()
        self.services = app.extensions["tollhouse"]
        running.callback(self.services.close)
        self._serve = app.wsgi_app
        self._body, self._key = request_body(), gateway.key
        self._tracing: Any = traces._Tracing
        self._exporter = self._tracing.exporter
        self._handler: Any = logging.root.handlers[0]
        self._output, self._file = self._handler.sinks
        with self.watching():
            self.turn()

    @contextmanager
    def watching(self, *, traces: bool = False, file: bool = False, payloads: bool = False) -> Iterator[None]:
        """With so much on."""
        from bench.gateway import TEAM
        from tollhouse.domain.actor import SHELL

        self._tracing.exporter = self._exporter if traces else None
        self._handler.sinks = (self._output, self._file) if file else (self._output,)
        self.services.teams.change(TEAM, payload_days=int(payloads), by=SHELL)
        self.services.serve().catalogue.refresh()
        self._call()  # which authenticates its key anew
        yield

    def turn(self) -> float:
        """Microseconds of a processor that a call took, with what was left to do after it."""
        import gevent

        began = time.process_time()
        gevent.joinall([gevent.spawn(self._calls, CALLS // AT_ONCE) for _ in range(AT_ONCE)], raise_error=True)
        self._finish()
        return (time.process_time() - began) / CALLS * 1e6

    def _finish(self) -> None:
        serving = self.services.serve()
        if self._tracing.exporter is not None:
            self._exporter.flush(30)
        for sink in self._handler.sinks:
            sink.flush(30)
        while serving.ledger.unwritten or serving.notes.unwritten:
            time.sleep(0.002)

    def _calls(self, count: int) -> None:
        for _ in range(count):
            self._call()

    def _call(self) -> None:
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/v1/chat/completions",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(self._body)),
            "HTTP_AUTHORIZATION": f"Bearer {self._key}",
            "wsgi.input": io.BytesIO(self._body),
            "wsgi.url_scheme": "http",
        }
        said: list[str] = []
        answer: Any = self._serve(environ, lambda status, headers, error=None: said.append(status))
        try:
            for _ in answer:
                pass
        finally:
            if close := getattr(answer, "close", None):
                close()
        if said != ["200 OK"]:
            raise AssertionError(said)


WAYS: dict[str, dict[str, bool]] = {
    "nothing": {},
    "traces": {"traces": True},
    "log file": {"file": True},
    "traces and log file": {"traces": True, "file": True},
    "payloads": {"payloads": True},
}


def measure(folder: Path, rounds: int, tell: Callable[[str], None]) -> dict[str, list[float]]:
    """Microseconds of a call, a figure for each round and way."""
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    with ExitStack() as running:
        watched = Watched(folder, running)
        order = list(WAYS)
        for number in range(rounds):
            for name in order:
                with watched.watching(**WAYS[name]):
                    found[name].append(watched.turn())
            order = order[1:] + order[:1]
            tell(f"round {number + 1} of {rounds}\r")
    return found


def main() -> None:
    from gevent import monkey

    monkey.patch_all()
    parser = argparse.ArgumentParser(prog="python -m bench.observed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    terminal = sys.stdout
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as made, (Path(made) / "output").open("w") as output:
        sys.stdout = output  # where its lines go
        try:
            found = measure(Path(made), given.rounds, lambda text: print(text, end="", file=sys.stderr))
        finally:
            sys.stdout = terminal
    plain = found["nothing"]
    for name, times in found.items():
        more = median([one - without for one, without in zip(times, plain, strict=True)])
        ratio = median([one / without for one, without in zip(times, plain, strict=True)])
        least = min(times) - min(plain)
        print(f"{name:20} {median(times):6.0f} µs a call   +{more:5.1f} µs   x {ratio:.3f}   least +{least:5.1f} µs")


if __name__ == "__main__":
    main()
