"""Callers that wait for their holds."""

import threading

from tollhouse.domain.errors import TollhouseError
from tollhouse.domain.ledger import HoldOrder


class Waiting:
    """A caller that waits for its hold. It is finished or left, never both."""

    __slots__ = ("_left", "_lock", "done", "error", "order", "windows")

    def __init__(self, order: HoldOrder) -> None:
        self.order = order
        self.done = threading.Event()
        self.error: TollhouseError | None = None
        self.windows: tuple[str, ...] = ()
        self._left = False
        self._lock = threading.Lock()

    def finish(self, error: TollhouseError | None, windows: tuple[str, ...] = ()) -> bool:
        """Answer the caller; False when it has left."""
        with self._lock:
            if not self._left:
                self.error, self.windows = error, windows
                self.done.set()
            return not self._left

    def leave(self) -> bool:
        """Stop waiting; False when the answer is there already."""
        with self._lock:
            self._left = not self.done.is_set()
            return self._left
