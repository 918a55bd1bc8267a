"""What `up` says to the person who started it."""

import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

ROOM_SECONDS = 0.5
"""How long a reader may take to make room for what is only mentioned."""


class Terminal:
    """Writes whole lines at once, and goes on in silence when nobody is there to read them any more."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._gone = False

    @property
    def is_terminal(self) -> bool:
        return self._out.isatty()

    def say(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._out.write(text + "\n")
            self._out.flush()
        except (OSError, ValueError):
            self._gone = True
            self._forget()

    def mention(self, text: str) -> None:
        """Say it unless whoever reads has stopped reading: nothing waits for that. A few lines at most."""
        if self._has_room():
            self.say(text)

    def _has_room(self) -> bool:
        """Of a page, if it is a pipe."""
        try:
            return bool(select.select([], [self._out], [], ROOM_SECONDS)[1])
        except (OSError, ValueError):
            return True  # it is no file of the system, or `say` finds out what is wrong with it

    def _forget(self) -> None:
        """Put nothing in the place of the reader: parts started from now on, and Python's end, still write there."""
        with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), self._out.fileno())

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Say what was done, and how long it took, once the block has ended well."""
        started = time.monotonic()
        yield
        self.say(f"  {doing:<46} {time.monotonic() - started:5.1f} s")
