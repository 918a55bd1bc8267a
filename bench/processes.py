"""Child processes: started with an environment of their own, measured as a tree, ended with the bench."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# The tests' own: the child dies with the process that started it, however that ends (on Linux).
LAUNCHER = Path(__file__).parents[1] / "tests" / "servers" / "launch.py"
READY_SECONDS = 90.0
"""LiteLLM takes 20 s of it on a busy machine."""
STOP_SECONDS = 15.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """What the bench cannot go on without; the message is for whoever started it."""


class Child:
    """A running command, named by its absolute path, which logs to `name.log` in `folder`.

    `account` is who it runs as, where not as this user. Stop it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        env: Mapping[str, str] | None = None,
        account: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = folder / f"{name}.log"
        self.began = time.monotonic()
        launch = (sys.executable, "-I", "-S", LAUNCHER)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in (*launch, os.getpid(), int(signal.SIGKILL), account, *command)],
                cwd=folder,
                env=environment(folder, env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the bench alone, which then stops its children in order
            )
        self.pid = self._process.pid

    def wait_until(self, true: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> float:
        """The seconds from the start until `true()` was; Failed, with the log's end, where it does not come to be."""
        while not true():
            waited = time.monotonic() - self.began
            if self._process.poll() is not None or waited > seconds:
                ended = f"ended with {self._process.returncode}" if self._process.poll() is not None else "runs"
                raise Failed(f"{self.name} did not {what} in {waited:.0f} s (it {ended}). Its log ends:\n{self.tail()}")
            time.sleep(0.002)
        return time.monotonic() - self.began

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def wait(self, seconds: float) -> int:
        """The exit status of a command that ends by itself."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {seconds:.0f} s. Its log ends:\n{self.tail()}") from None

    def lives(self) -> bool:
        return self._process.poll() is None

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Ask it to end, and after a while make it. Idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def environment(home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What a program needs of this environment and `given`: no setting of this user's reaches what is measured."""
    kept = ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "HOME": str(home), **given}


def tree(root: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            children.setdefault(int(_fields(folder)[1]), []).append(int(folder.name))
        except OSError:
            continue
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of the tree, with that of children which have ended."""
    total = 0
    for pid in tree(root):
        try:
            total += sum(int(field) for field in _fields(Path(f"/proc/{pid}"))[11:15])
        except OSError:
            continue
    return total / TICKS


def resident_bytes(root: int) -> int:
    """Resident memory of the tree; what processes share counts in each of them."""
    return sum(own_resident_bytes(pid) for pid in tree(root))


def own_resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except OSError:
        return 0


def open_files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fields(folder: Path) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold anything: state, parent, ..."""
    return (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
