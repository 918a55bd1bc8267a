"""Callers that wait for their holds."""

import threading

from tollhouse.domain.errors import TollhouseError
from tollhouse.domain.ledger import HoldOrder


class Waiting:
    """A caller that waits for its hold. It is finished or left, never both: whoever takes the turn is first."""

    __slots__ = ("_done", "_turn", "error", "order", "windows")

    def __init__(self, order: HoldOrder) -> None:
        self.order = order
        self.error: TollhouseError | None = None
        self.windows: tuple[str, ...] = ()
        self._turn = [self]
        # A lock that the writer releases: a third of what an event costs, for each call.
        self._done = threading.Lock()
        self._done.acquire()

    def wait(self, seconds: float) -> None:
        """Until it is finished, at most so long."""
        self._done.acquire(timeout=seconds)

    def finish(self, error: TollhouseError | None, windows: tuple[str, ...] = ()) -> bool:
        """Answer the caller; False when it has left."""
        if not self._take_turn():
            return False
        self.error, self.windows = error, windows
        self._done.release()
        return True

    def leave(self) -> bool:
        """Stop waiting; False when the answer is there already."""
        return self._take_turn()

    def _take_turn(self) -> bool:
        try:
            self._turn.pop()
        except IndexError:
            return False
        return True
