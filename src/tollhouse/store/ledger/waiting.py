"""Callers that wait for their holds."""

import threading
from collections import deque
from collections.abc import Iterable

from tollhouse.domain.errors import LedgerUnavailable, TollhouseError
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

    @property
    def has_left(self) -> bool:
        """Whether nobody waits here any more."""
        return not self._turn

    def _take_turn(self) -> bool:
        try:
            self._turn.pop()
        except IndexError:
            return False
        return True


class WaitingLine:
    """Callers in the order in which they came. Any thread may `add`; one takes."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._callers: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._callers)

    def add(self, order: HoldOrder) -> Waiting:
        """Raises LedgerUnavailable when the line is as long as it may be."""
        if len(self._callers) >= self._longest:
            raise unavailable()
        waiting = Waiting(order)
        self._callers.append(waiting)
        return waiting

    def take(self, most: int) -> list[Waiting]:
        """The next ones, who are answered or put back."""
        return [self._callers.popleft() for _ in range(min(len(self._callers), most))]

    def put_back(self, callers: Iterable[Waiting]) -> None:
        """Behind all others, whom they shall not hold up."""
        self._callers.extend(callers)

    def turn_away(self) -> None:
        """Refuse everybody who waits."""
        for waiting in self.take(len(self._callers)):
            waiting.finish(unavailable())


def unavailable() -> LedgerUnavailable:
    """What is said to whom the ledger cannot serve."""
    return LedgerUnavailable(
        "The ledger's database does not answer: no call is made unmetered. Try again.", retry_after=1
    )
