"""The whole gateway as a user runs it: `tollhouse up`, in processes of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anthropic import Anthropic
    from openai import OpenAI

COMMAND = (os.environ.get("TEST_PYTHON", sys.executable), "-m", "tollhouse")
"""Other people's clients have environments of their own, in which there is no gateway."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningGateway:
    """Started with the home's defaults and a free port. Stop it: that is Ctrl-C."""

    def __init__(self, home: Path, *, port: int | None = None, **settings: str) -> None:
        self.home = home
        self.port = port or free_port()
        self._clients: list[Any] = []
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = home.with_name(f"{home.name}-{self.port}.log")
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(home),
            "TOLLHOUSE_HOME": str(home),
            "TOLLHOUSE_PORT": str(self.port),
            # What fails is tried once, where a test says no more.
            "TOLLHOUSE_RETRIES": "0",
            "TOLLHOUSE_BREAKER_FAILURES": "0",
            **settings,
        }
        home.mkdir(parents=True, exist_ok=True)
        self._log.unlink(missing_ok=True)  # of an earlier start on the same port
        self.process = self._start(self._log)
        self._wait()
        found = re.search(r"sk-th-[0-9A-Za-z]{40}", self.output())
        self.key = found.group() if found else ""

    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def command(self, *arguments: str, status: int = 0, given: str = "", **settings: str) -> str:
        """Run `tollhouse …` on the same home; its standard output."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            env={**self.environment, **settings},
            cwd=self.home,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.command(*arguments, "--json"))

    def usage(self, model: str, requests: int) -> dict[str, Any]:
        """The usage of a model, once it has so many requests."""
        deadline = time.monotonic() + 10
        while True:
            rows = {row["model"]: row for row in self.json("usage", "--by", "model")}
            if model in rows and rows[model]["requests"] >= requests:
                found: dict[str, Any] = rows[model]
                return found
            assert time.monotonic() < deadline, rows

    def openai(self, key: str | None = None, **options: Any) -> "OpenAI":
        """The official client; closed when the gateway is stopped."""
        from openai import OpenAI

        client = OpenAI(base_url=f"{self.url}/v1", api_key=key or self.key, **{"max_retries": 0, **options})
        self._clients.append(client)
        return client

    def anthropic(self, key: str | None = None, **options: Any) -> "Anthropic":
        """The official client; closed when the gateway is stopped."""
        from anthropic import Anthropic

        client = Anthropic(base_url=self.url, api_key=key or self.key, **{"max_retries": 0, **options})
        self._clients.append(client)
        return client

    def children(self) -> dict[int, str]:
        """Process id and command line of everything that was started."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                # Valkey writes its title over its environment; the title has its socket's path.
                ours = f"TOLLHOUSE_HOME={self.home}".encode() in environment or str(self.home) in command
                if ours and int(folder.name) != self.process.pid:
                    found[int(folder.name)] = command
            except OSError:
                continue
        return found

    def stop(self, seconds: float = 40) -> int:
        """Ctrl-C; the exit status."""
        while self._clients:
            self._clients.pop().close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(seconds)

    def _start(self, output: Path) -> subprocess.Popen[bytes]:
        with output.open("ab") as log:
            return subprocess.Popen(
                [*COMMAND, "up"], env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + 130
        while "Ctrl-C" not in self.output():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"it did not start:\n{self.output()}")
            time.sleep(0.05)


def wait_until(true: Any, seconds: float = 10, what: str = "") -> None:
    """Wait until `true()` is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what or "it did not come true"
        time.sleep(0.05)
