import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tollhouse import logs
from tollhouse.settings import Settings


class Log:
    """What a configured process has written to its standard output."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def raw(self) -> bytes:
        return self._path.read_bytes()

    @property
    def text(self) -> str:
        return self.raw.decode()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Each line as a reader that knows all of Unicode's line ends would take it."""
        return [orjson.loads(line) for line in self.text.splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]


@pytest.fixture
def logging_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `configure` sets for the whole process is as before when the test is over; lines begin without a request."""
    logs.set_request_id(None)
    root = logging.root
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    for owner, name in ((sys, "excepthook"), (threading, "excepthook")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    for name in ("logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
    logs.set_request_id(None)


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logging_restored: None) -> Iterator[Callable[..., Log]]:
    """Configure a process of a name, with settings, whose standard output (or error, of "cli") is a file."""
    opened = []

    def configure(process: str = "web", **settings: Any) -> Log:
        path = tmp_path / "out.log"
        stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w")
        opened.append(stream)
        monkeypatch.setattr(sys, "stderr" if process == "cli" else "stdout", stream)
        logs.configure(Settings(**{"log_format": "json", **settings}), process)
        return Log(path)

    yield configure
    for stream in opened:
        stream.close()


@pytest.fixture
def log(configured: Callable[..., Log]) -> Log:
    return configured()
