"""The load: wrk, with the same body and as many connections for everyone."""

import http.client
import json
import resource
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.conversation import problem, request_body
from bench.processes import Failed
from bench.tools import tool

SCRIPT = Path(__file__).with_name("load.lua")
PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Measured:
    """What wrk saw. Times are in milliseconds; `tool_cpu` are the seconds that wrk itself took."""

    calls: int
    seconds: float
    p50: float
    p99: float
    tool_cpu: float

    @property
    def rate(self) -> float:
        return self.calls / self.seconds


class Load:
    """Calls of one kind."""

    def __init__(self, folder: Path, connections: int, threads: int) -> None:
        self._body = folder / "request.json"
        self._body.write_bytes(request_body())
        self._connections = connections
        self._threads = threads

    def run(self, name: str, port: int, headers: Mapping[str, str], seconds: float) -> Measured:
        """Call as fast as answers come. Failed where any was not good."""
        words = [str(self._body), *(f"{key}: {value}" for key, value in headers.items())]
        sizes = [f"-t{self._threads}", f"-c{self._connections}", f"-d{seconds:g}s", "--timeout", "30s"]
        command = [tool("wrk"), *sizes, "-s", SCRIPT, f"http://127.0.0.1:{port}{PATH}", "--", *words]
        before = _children_cpu()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
        _, mark, line = done.stdout.partition("SUMMARY ")
        if done.returncode or not mark:
            raise Failed(f"wrk failed on {name}: {done.stdout[-500:]}{done.stderr[-500:]}")
        summary = json.loads(line)
        if summary["bad_status"] or summary["broken"] or not summary["calls"]:
            raise Failed(
                f"{name} did not serve all calls: of {summary['calls']}, {summary['bad_status']} had a status of 400 "
                f"or more and {summary['broken']} broke off."
            )
        return Measured(
            summary["calls"],
            summary["microseconds"] / 1e6,
            summary["p50"] / 1e3,
            summary["p99"] / 1e3,
            _children_cpu() - before,
        )


def check(name: str, port: int, headers: Mapping[str, str]) -> None:
    """Make the call once. Failed unless the answer is 200 with the upstream's text and usage."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", PATH, request_body(), {"content-type": "application/json", **headers})
        response = connection.getresponse()
        wrong = problem(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        wrong = f"it broke off: {error!r}"
    finally:
        connection.close()
    if wrong:
        raise Failed(f"{name} does not serve the call: {wrong}")


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
