"""Callers that wait for a trip."""

import threading

from tollhouse.domain.limits import LimitOrder, Verdict


class Queued:
    """A caller that waits for its verdict. It is finished or left, never both: whoever takes the turn is first."""

    __slots__ = ("_done", "_turn", "order", "verdict")

    def __init__(self, order: LimitOrder) -> None:
        self.order = order
        self.verdict: Verdict | None = None
        self._turn = [self]
        # A lock that the traveller releases: a third of what an event costs, for each call.
        self._done = threading.Lock()
        self._done.acquire()

    def wait(self, seconds: float) -> None:
        """Until it is finished, at most so long."""
        self._done.acquire(timeout=seconds)

    def finish(self, verdict: Verdict | None) -> bool:
        """Answer the caller, None for no answer; False when it has left or has been answered."""
        if not self._take_turn():
            return False
        self.verdict = verdict
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
