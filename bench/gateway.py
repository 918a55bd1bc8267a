"""Tollhouse, set up by its own commands in an empty home: provider, model, key, four hard budgets, three limits."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench.conversation import MODEL
from bench.nginx import answers
from bench.processes import Child, Failed, environment, free_port

COMMAND = (sys.executable, "-m", "tollhouse")
BUDGET_USD = "1000000"
"""Hard, and never reached: each call is held against four of them and booked on them."""

LIMITS = ("--rpm", "100000000", "--tpm", "100000000000", "--concurrency", "100000")
"""The same: each call is let in by those of its key, its team and its model, each in all three ways."""
TEAM = "team_default"


class Gateway:
    """A home, and the commands on it. `source` is a folder to import `tollhouse` from, by default the installed one."""

    def __init__(self, home: Path, source: Path | None = None, **settings: str) -> None:
        home.mkdir(parents=True)
        self.home = home
        self.port = free_port()
        self.key = ""
        self._given: Mapping[str, str] = {
            "TOLLHOUSE_HOME": str(home),
            "TOLLHOUSE_PORT": str(self.port),
            "TOLLHOUSE_WEB_PROCESSES": "1",
            "TOLLHOUSE_LOCAL_MODEL": "off",
            **({"PYTHONPATH": str(source)} if source else {}),
            **settings,
        }

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def prepare(self, upstream_port: int, *, guarded: bool = True) -> None:
        """Make the database, and what a call needs. `guarded` says whether there are budgets and limits."""
        base_url = f"http://127.0.0.1:{upstream_port}/v1"
        prices = ("--input-price", "0.15", "--output-price", "0.60")
        self.command("db", "upgrade")
        self.command(
            "providers", "add", "upstream", "--format", "openai", "--allow-private", "--base-url", base_url,
            "--api-key-env", "UPSTREAM_KEY", UPSTREAM_KEY="sk-upstream-0123456789",
        )  # fmt: skip
        self.command(
            "models", "add", MODEL, "--provider", "upstream", *prices, "--context-window", "128000",
            "--max-output", "16384",
        )  # fmt: skip
        made = self.json("keys", "create", "--name", "bench")
        self.key = made["key"]
        if not guarded:
            return
        scopes = [("--key", made["id"]), ("--team", TEAM), ("--model", MODEL)]
        for scope in [*scopes, ("--organisation",)]:
            self.command("budgets", "set", *scope, "--usd", BUDGET_USD, "--period", "month")
        for scope in scopes:
            self.command("limits", "set", *scope, *LIMITS)

    def start(self, part: str) -> Child:
        """One of `web`, `worker`, `scheduler`, or `up` for all, with its log in the home."""
        return Child(part, [*COMMAND, part], self.home, self._given)

    def start_web(self) -> Child:
        """The web processes alone, which answer when this returns."""
        web = self.start("web")
        web.wait_until(lambda: answers(self.port, "/readyz"), "become ready")
        return web

    def command(self, *arguments: str, **settings: str) -> str:
        """Run `tollhouse …`; what it printed."""
        env = environment(self.home, {**self._given, **settings})
        done = subprocess.run(
            [*COMMAND, *arguments], env=env, cwd=self.home, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise Failed(f"`tollhouse {' '.join(arguments)}` failed: {done.stderr or done.stdout}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.command(*arguments, "--json"))

    def booked(self) -> int:
        """How many calls are in the ledger."""
        return sum(row["requests"] for row in self.json("usage", "--by", "model"))

    def held(self) -> str:
        """The most that is held on a budget, in US dollars; "0" where there is none."""
        return str(max((one["held_usd"] for one in self.json("budgets", "list")), key=float, default="0"))

    def metric(self, name: str, of: str = "") -> float:
        """The sum over the processes and labels of a metric of the web processes; 0 where there is none. `of` is a
        label that counts alone, as it is written.
        """
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        found = [line for line in lines if line.split("{")[0].split(" ")[0] == name and of in line]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def python(self, *arguments: str) -> Child:
        """The gateway's interpreter, with its settings."""
        return Child("python", [sys.executable, *arguments], self.home, self._given)
