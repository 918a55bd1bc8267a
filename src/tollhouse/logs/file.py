"""Lines to a file that all processes of a machine share, and that is begun anew when it is large."""

import logging
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

from tollhouse import metrics
from tollhouse.logs.native import native

MOST_WAITING = 20_000
"""Lines that wait for a disk; what comes beyond is dropped and counted."""
AT_ONCE = 1000
"""Lines that are written under one lock of the file, which costs as much as some lines do."""
PAUSE_SECONDS = 0.05
"""Between looks at what waits: to be woken for each line would cost each call more than its line does."""


class FileSink:
    """Takes lines and never waits. One thread of the system, begun with the first line and so after any fork, writes
    them: a disk that stalls holds up that thread alone.
    """

    def __init__(self, path: str, most_bytes: int, kept: int) -> None:
        self._given = path, most_bytes, kept
        self._waiting: deque[bytes] = deque()
        self._runs = False
        self._busy = False
        self._lost = 0
        os.register_at_fork(after_in_child=self._forget)

    def put(self, line: bytes) -> None:
        """Take a line with its end."""
        if self._lost:
            lost, self._lost = self._lost, 0
            metrics.LOG_LINES_DROPPED.inc(lost)
        if len(self._waiting) >= MOST_WAITING:
            metrics.LOG_LINES_DROPPED.inc()
            return
        self._waiting.append(line)
        if not self._runs:
            self._runs = True
            native("_thread", "start_new_thread")(self._run, ())

    def flush(self, seconds: float) -> None:
        """Return when all is written, or after this time."""
        until = time.monotonic() + seconds
        while (self._waiting or self._busy) and time.monotonic() < until:
            time.sleep(0.005)

    def _run(self) -> None:
        sleep = native("time", "sleep")
        file: Any = None
        while True:
            self._busy = True
            lines = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                if lines:
                    file = file or _rotating(*self._given)
                    file.write(b"".join(lines))
            except Exception:  # noqa: BLE001 - a full disk, a folder that is gone: the next lines may be luckier
                self._lost += len(lines)
            self._busy = bool(self._waiting)
            if not lines:
                sleep(PAUSE_SECONDS)

    def _forget(self) -> None:
        """In a child: the parent writes what it has."""
        self._waiting.clear()
        self._runs = self._busy = False
        self._lost = 0


def _rotating(path: str, most_bytes: int, kept: int) -> Any:
    from concurrent_log_handler import ConcurrentRotatingFileHandler

    class Rotating(ConcurrentRotatingFileHandler):
        """Its emit takes a lock, opens and rotates for each record: here a record is many lines."""

        def write(self, lines: bytes) -> None:
            self._lines = lines
            self.emit(logging.LogRecord("tollhouse", logging.INFO, "", 0, "", None, None))

        def do_write(self, msg: str) -> None:
            # Under the lock, and past the stream's buffer, which would keep what a full disk did not take.
            if self.stream is None or self.stream.closed:
                self.stream = self.do_open()
            left = b"\n" + self._lines if _ends_torn(self.baseFilename) else self._lines
            while left:
                left = left[os.write(self.stream.fileno(), left) :]

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
            raise  # noqa: PLE0704 - it is called while the error is handled

    return Rotating(path, maxBytes=most_bytes, backupCount=kept, encoding="utf-8", newline="", chmod=0o640)


def _ends_torn(path: str) -> bool:
    """Whether the last line was taken in part: by a disk that became full, of a process that was killed."""
    try:
        with Path(path).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False
