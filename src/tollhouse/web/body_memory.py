"""The memory of one process that request bodies may take together."""

import time
from collections import deque

import gevent.event

from tollhouse import metrics
from tollhouse.domain.errors import Overloaded, TooLarge

WAIT_SECONDS = 10.0
STALLED_SECONDS = 1.0
"""Whose body makes no headway for so long keeps what has come, and loses what was set aside for the rest, once others
wait for it."""


class BodyMemory:
    """Counts bytes; nothing is allocated here.

    Bodies that are being read may take half of it. Those that are here whole may take all, and have their turn first:
    they never wait for bodies that may never come to their end.
    """

    def __init__(self, size: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self.size = size
        self.used = 0
        self.readers: set[BodyRoom] = set()
        """Rooms whose bodies are on their way."""
        self._wait_seconds = wait_seconds
        self._reading = 0
        self._whole: deque[_Waiting] = deque()
        self._partial: deque[_Waiting] = deque()

    def room(self) -> "BodyRoom":
        """Of no size yet."""
        return BodyRoom(self)

    def take(self, size: int, *, whole: bool) -> None:
        """Raises Overloaded, when it was not there in time."""
        queue = self._whole if whole else self._partial
        if not queue and (whole or not self._whole) and self._fits(size, whole=whole):
            self._add(size, whole=whole)
        else:
            self._wait(_Waiting(size), queue, whole=whole)

    def give(self, size: int, *, whole: bool) -> None:
        """Let others have it."""
        self._add(-size, whole=whole)
        self._serve()

    def _wait(self, waiting: "_Waiting", queue: "deque[_Waiting]", *, whole: bool) -> None:
        queue.append(waiting)
        until = time.monotonic() + self._wait_seconds
        try:
            while not waiting.served.is_set() and (left := until - time.monotonic()) > 0:
                for reader in [*self.readers]:
                    reader.give_up_if_stalled()
                waiting.served.wait(min(left, STALLED_SECONDS / 2))
        except BaseException:
            if waiting.served.is_set():
                self.give(waiting.size, whole=whole)
            raise
        finally:
            if not waiting.served.is_set():
                queue.remove(waiting)
                self._serve()  # whoever stood behind it may need less
        if not waiting.served.is_set():
            metrics.BODY_MEMORY_REFUSALS.inc()
            raise Overloaded(
                "There is no memory for a body of this size: others are being read and sent. Try again.",
                retry_after=self._wait_seconds,
            )

    def _serve(self) -> None:
        for queue, whole in ((self._whole, True), (self._partial, False)):
            while queue:
                if not self._fits(queue[0].size, whole=whole):
                    return
                waiting = queue.popleft()
                self._add(waiting.size, whole=whole)
                waiting.served.set()

    def _fits(self, size: int, *, whole: bool) -> bool:
        return self.used + size <= self.size and (whole or self._reading + size <= self.size // 2)

    def _add(self, size: int, *, whole: bool) -> None:
        self.used += size
        if not whole:
            self._reading += size
        metrics.BODY_MEMORY_BYTES.set(self.used)


class _Waiting:
    def __init__(self, size: int) -> None:
        self.size = size
        self.served = gevent.event.Event()


class BodyRoom:
    """What one body takes. Whoever asked for it closes it, in every case."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._expected = self._came = self._besides = 0
        self._moved = 0.0

    def expect(self, size: int) -> None:
        """So many bytes of the body are to come in all, or have. Raises Overloaded, TooLarge."""
        if size > self._expected:
            self._refuse_over(size, self._memory.size // 2)
            self._memory.take(size - self._expected, whole=False)
            self._expected = size
            self._moved = time.monotonic()
            self._memory.readers.add(self)

    def came(self, size: int) -> None:
        """So many more of them are here."""
        self._came += size
        self._moved = time.monotonic()

    def give_up_if_stalled(self) -> None:
        """What it gives up it has to ask for again."""
        given = self._expected - self._came
        if given > 0 and time.monotonic() - self._moved > STALLED_SECONDS:
            self._expected = self._came
            self._memory.give(given, whole=False)

    def work(self, size: int) -> None:
        """The body is here, and takes so much besides itself. Raises Overloaded, TooLarge."""
        self._memory.readers.discard(self)
        self._refuse_over(self._expected + size, self._memory.size)
        self._memory.take(size, whole=True)
        self._besides += size

    def shrink(self, size: int) -> None:
        """No more than so many bytes are needed from here on."""
        self._memory.readers.discard(self)
        given, self._expected = self._expected, min(self._expected, size)
        if given := given - self._expected:
            self._memory.give(given, whole=False)
        given, self._besides = self._besides, min(self._besides, max(0, size - self._expected))
        if given := given - self._besides:
            self._memory.give(given, whole=True)

    def close(self) -> None:
        """Idempotent."""
        if self._expected or self._besides:
            self.shrink(0)

    def _refuse_over(self, size: int, most: int) -> None:
        if size > most:
            raise TooLarge(
                f"The body takes {size} bytes of memory, and this gateway has {most} for it: "
                "TOLLHOUSE_BODY_MEMORY_BYTES, half of it while bodies are read."
            )
