"""A WSGI function that forwards, under the same server as Tollhouse: the floor that Python puts under it."""

import sys
from pathlib import Path

from bench.contestants import Contestant, Surroundings
from bench.nginx import answers
from bench.processes import Child, free_port

CHECKOUT = Path(__file__).parents[2]


class BareWSGI:
    label = "a bare WSGI function"

    def __init__(self, given: Surroundings) -> None:
        self.port = free_port()
        self.headers: dict[str, str] = {}
        self.databases = ()
        options = [
            "-k",
            "gevent",
            "-w",
            "1",
            "-b",
            f"127.0.0.1:{self.port}",
            "--keep-alive",
            "75",
            "--worker-connections",
            "10000",
        ]
        self.child = Child(
            "bare_wsgi",
            [sys.executable, "-m", "gunicorn", *options, "--no-control-socket", "bench.forwarding_function:forward"],
            given.folder / "bare_wsgi",
            {"PYTHONPATH": str(CHECKOUT), "UPSTREAM_PORT": str(given.upstream_port)},
        )
        self.child.wait_until(lambda: answers(self.port, "/v1/models"), "answer")

    def audit(self, calls: int) -> None:
        """It keeps no account."""

    def stop(self) -> None:
        self.child.stop()


def start(given: Surroundings) -> Contestant:
    return BareWSGI(given)
