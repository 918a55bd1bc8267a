"""Lines to standard output, past its buffer, so that neither a fork nor a crash harms them."""

import _thread
import os
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TextIO

from tollhouse import metrics
from tollhouse.logs.native import native

MOST_WAITING = 10_000
"""Lines that are kept for a reader that does not read; what comes beyond is dropped and counted."""
PAUSE_SECONDS = 0.1
"""Between looks whether the reader goes on, where no line comes that would find out."""


class StreamSink:
    """Writes each line at once. Who reads a pipe, a socket or a terminal may stop reading it: then lines wait here, and
    never a call.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self._torn = False
        self._offer = _never_waiting(stream)
        self._waiting: deque[bytes] = deque()
        self._turn = threading.Lock()
        self._looks = False
        if self._offer is not None:
            os.register_at_fork(after_in_child=self._forget)

    def put(self, line: bytes) -> None:
        """Raises OSError where it cannot be written."""
        if self._offer is None:
            self._write(line)
        elif self._waiting:
            if len(self._waiting) >= MOST_WAITING:
                metrics.LOG_LINES_DROPPED.inc()
            else:
                self._waiting.append(line)
            self._drain()
        else:
            try:
                written = self._offer(line)
            except BlockingIOError:
                written = 0
            if written < len(line):
                self._waiting.append(line[written:])
                if not self._looks:
                    self._looks = True
                    _thread.start_new_thread(self._look, ())

    def flush(self, seconds: float) -> None:
        """Write what waits, within this time."""
        until = time.monotonic() + seconds
        while self._waiting and time.monotonic() < until:
            with suppress(OSError):
                self._drain()
            time.sleep(0.01)

    def _look(self) -> None:
        """Until nothing waits any more."""
        while self._waiting:
            time.sleep(PAUSE_SECONDS)
            with suppress(OSError):
                self._drain()
        self._looks = False

    def _drain(self) -> None:
        """As far as the reader has made room. Whoever comes while another does it leaves it to that one."""
        if self._offer is None or not self._turn.acquire(blocking=False):
            return
        try:
            while self._waiting:
                written = self._offer(self._waiting[0])
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
        self._looks = False

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


def _never_waiting(stream: TextIO | None) -> Callable[[bytes], int] | None:
    """Takes as much of a line as there is room for, and raises BlockingIOError where there is none. None for a file.

    Nothing is changed about what others write to as well: a pipe or a terminal is opened once more, of a socket each
    sending says that it does not wait.
    """
    try:
        if stream is None:
            return None
        kind = os.fstat(stream.fileno()).st_mode
        if stat.S_ISSOCK(kind):
            # Not gevent's, which would wait for its reader.
            end = native("socket", "socket")(fileno=os.dup(stream.fileno()))
            return lambda line: int(end.send(line, socket.MSG_DONTWAIT))
        if stat.S_ISFIFO(kind) or stream.isatty():
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return partial(os.write, os.open(f"/proc/self/fd/{stream.fileno()}", flags))
    except (OSError, ValueError):
        pass  # there is no /proc here, or it may not be opened: then it is written as any file
    return None
