"""Prometheus itself, as Debian's package has it: it scrapes one gateway by deploy/'s configuration, but more often."""

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.running import free_port
from tests.servers import process

DEPLOYED = Path(__file__).parents[1] / "deploy" / "prometheus"
PROGRAM = shutil.which("prometheus")


class Prometheus:
    """A running one, whose target is the port of a gateway."""

    def __init__(self, folder: Path, target: int) -> None:
        port = free_port()
        folder.mkdir()
        (folder / "prometheus.yml").write_text(yaml.safe_dump(_configuration(target)))
        self.url = f"http://127.0.0.1:{port}"
        self._process = process.start(
            [
                PROGRAM or "",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            folder,
            last_signal=signal.SIGKILL,
        )
        process.wait_until_ready(self._process, folder, self._is_ready)

    def ask(self, path: str, **query: str) -> Any:
        """What its API has as `data`."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(query)}", timeout=30) as answer:  # noqa: S310 - it is ours
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def value(self, query: str) -> float | None:
        """Of a query that has one sample, or None."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def grown(self, counter: str) -> float:
        """How much a counter grew by as long as it was looked at, over all series of this selector: a sample that is
        less than the one before is one of a counter that began anew.

        `increase` would leave out what a series begins with, and make up what lies beyond its last sample.
        """
        total = 0.0
        for series in self.ask("query", query=f"{counter}[1h]")["result"]:
            before = 0.0
            for _, text in series["values"]:
                value = float(text)
                total += value if value < before else value - before
                before = value
        return total

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """It scrapes nothing meanwhile."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        process.stop(self._process, signal.SIGTERM)

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=1) as answer:  # noqa: S310 - it is ours
                return bool(answer.status == 200)
        except (OSError, HTTPException):
            return False


def _configuration(target: int) -> dict[str, Any]:
    given: dict[str, Any] = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text())
    given["global"] = dict.fromkeys(given["global"], "1s")
    given["rule_files"] = [str(DEPLOYED / name) for name in given["rule_files"]]
    (job,) = given["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{target}"]}]
    return given
