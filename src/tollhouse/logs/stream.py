"""Lines to standard output, past its buffer, so that neither a fork nor a crash harms them."""

import os
import stat
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TextIO

from tollhouse import metrics

MOST_WAITING = 10_000
"""Lines that are kept for a reader that does not read; what comes beyond is dropped and counted."""


class StreamSink:
    """Writes each line at once. Who reads a pipe may stop reading it: then lines wait here, and never a call."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self._torn = False
        self._pipe = _own_end(stream)
        self._waiting: deque[bytes] = deque()
        self._turn = threading.Lock()
        if self._pipe is not None:
            os.register_at_fork(after_in_child=self._forget)

    def put(self, line: bytes) -> None:
        """Raises OSError where it cannot be written."""
        if self._pipe is None:
            self._write(line)
        elif self._waiting:
            if len(self._waiting) >= MOST_WAITING:
                metrics.LOG_LINES_DROPPED.inc()
            else:
                self._waiting.append(line)
            self._drain()
        else:
            try:
                written = os.write(self._pipe, line)
            except BlockingIOError:
                written = 0
            if written < len(line):
                self._waiting.append(line[written:])

    def flush(self, seconds: float) -> None:
        """Write what waits, within this time."""
        until = time.monotonic() + seconds
        while self._waiting and time.monotonic() < until:
            with suppress(OSError):
                self._drain()
            time.sleep(0.01)

    def _drain(self) -> None:
        """As far as the reader has made room. Whoever comes while another does it leaves it to that one."""
        if self._pipe is None or not self._turn.acquire(blocking=False):
            return
        try:
            while self._waiting:
                written = os.write(self._pipe, self._waiting[0])
                line = self._waiting.popleft()
                if written < len(line):
                    # Only of lines that are longer than a pipe takes whole.
                    self._waiting.appendleft(line[written:])
        except BlockingIOError:
            pass
        except OSError:
            self._waiting.clear()  # nobody will ever read it
            raise
        finally:
            self._turn.release()

    def _forget(self) -> None:
        """In a child: the parent writes what it has."""
        self._waiting.clear()
        self._turn = threading.Lock()

    def _write(self, line: bytes) -> None:
        if self.stream is None:
            raise BrokenPipeError("standard output was closed when this process began")
        if self._torn:
            line = b"\n" + line
        written = os.write(self.stream.fileno(), line)
        # A disk that fills up takes part of a line: the next must not be glued to it.
        self._torn = written < len(line)
        if self._torn:
            raise BrokenPipeError("only a part of the line was taken")


def _own_end(stream: TextIO | None) -> int | None:
    """The pipe that is standard output, opened once more so that it never waits: others share the first opening."""
    try:
        if stream is None or not stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
            return None
        return os.open(f"/proc/self/fd/{stream.fileno()}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None  # there is no /proc here, or it may not be opened: then it is written as any file
