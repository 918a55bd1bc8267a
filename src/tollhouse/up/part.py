"""One supervised child process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
HEALTHY_AFTER = 30.0
"""Seconds of life after which a death counts as the first again."""

WRONG_USAGE = 2
"""The exit status of a command whose settings cannot be right, as in cli/errors.py."""

_TETHER = Path(__file__).with_name("tether.py")


class Part:
    """A command that the supervisor keeps running. It writes to the supervisor's own output, past it.

    Each start is a session of its own, so that Ctrl-C in the terminal reaches the supervisor alone,
    and a group, so that whatever it started itself can be ended with it.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
        ready_seconds: float = 30.0,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_seconds: float = 10.0,
        hint: str = "",
    ) -> None:
        """`env` is added to the supervisor's. `ready` answers within a second or so and never raises; without it a
        part is ready when it runs. `hint` says what to do when the part does not come up."""
        self.name = name
        self.argv = [*argv]
        self.env = {**(env or {})}
        self.ready = ready
        self.ready_seconds = ready_seconds
        self.stop_signal = stop_signal
        self.grace_seconds = grace_seconds
        self.hint = hint
        self.delay = FIRST_DELAY
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._orphans: dict[int, float] = {}
        self.is_hopeless = False
        """Its last end said that it can never run with these settings."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process. OSError when the machine has none to give.

        Call it from the main thread: the kernel ends a part with the thread that started it.
        """
        launch = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *self.argv]
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(
            launch, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def death(self) -> str | None:
        """How it ended, for a sentence; None while it runs. Call it once for each death.

        What the process had started itself is told to stop, and made to after the grace; at once, where it
        holds what the next start needs, such as a port.
        """
        if self._process is None or (status := self._process.poll()) is None:
            return None
        group, self._process = self._process.pid, None
        now = time.monotonic()
        refused = status == WRONG_USAGE
        self.is_hopeless = refused and not self._orphans
        if refused:
            self._kill_orphans()
        if _signal_group(group, self.stop_signal):
            self._orphans[group] = now + self.grace_seconds
        if now - self._started_at >= HEALTHY_AFTER:
            self.delay = FIRST_DELAY
        return ended(status)

    def backoff(self) -> float:
        """Seconds to wait before the next start, twice as long each time."""
        delay, self.delay = self.delay, min(self.delay * 2, LONGEST_DELAY)
        return delay

    def sweep(self) -> None:
        """Kill what is left of earlier starts and has had its time."""
        now = time.monotonic()
        for group, until in [*self._orphans.items()]:
            if not _signal_group(group, signal.SIGKILL if now >= until else None):
                del self._orphans[group]

    def ask_to_stop(self) -> None:
        """Send the stop signal to the process, which tells its own children."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(self.stop_signal)

    def kill(self) -> None:
        """End the process and all that it started, and wait for it. Idempotent."""
        self._kill_orphans()
        if self._process is not None:
            _signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _kill_orphans(self) -> None:
        for group in self._orphans:
            _signal_group(group, signal.SIGKILL)
        self._orphans.clear()


def ended(status: int) -> str:
    """What a return code of `subprocess` means, for a sentence."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _signal_group(group: int, number: signal.Signals | None) -> bool:
    """Whether the group still had a process; None asks only."""
    try:
        os.killpg(group, number or 0)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group that has only zombies.
        return False
    return True
