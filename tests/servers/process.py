"""Child processes that end with the tests, however those end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
READY_WITHIN_S = 30
STOPPED_WITHIN_S = 10


class ServerFailed(Exception):
    """A server ended or was not ready in time; the message has the end of its log."""


def start(
    command: Sequence[str | Path], folder: Path, *, last_signal: int, account: str = ""
) -> subprocess.Popen[bytes]:
    """Start `command` in `folder`, logging to `server.log`; it gets `last_signal` when this process dies.

    It leads a session of its own, so that Ctrl-C in the terminal reaches the tests alone.
    """
    launch = [sys.executable, "-I", "-S", LAUNCHER, os.getpid(), last_signal, account, *command]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [str(part) for part in launch],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_ready(process: subprocess.Popen[bytes], folder: Path, answers: Callable[[], bool]) -> None:
    """Return once `answers()` is true; a server that does not get there is killed."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if answers():
            return
        time.sleep(0.01)
    process.kill()
    process.wait()
    log = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
    raise ServerFailed(f"{process.args!r} did not come up: {log[-2000:]}")


def stop(process: subprocess.Popen[bytes], how: int) -> None:
    """Send `how` and wait; a server that takes too long is killed. Idempotent."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
