"""Replies whose callers have left, read to their end: what they used is then what their provider says, not a guess."""

import threading
from collections.abc import Callable

from tollhouse import logs
from tollhouse.domain.ports import Beside, InTurn

MOST_AT_ONCE = 200


class Remainders:
    """Those of one process. Each ends by the deadlines of its own exchange."""

    def __init__(self, most: int = MOST_AT_ONCE, beside: Beside | None = None) -> None:
        """`most` at once; 0 for none. Calls that have not begun go on `beside` their callers, where that is live."""
        self._room = threading.BoundedSemaphore(most) if most else None
        self.beside = beside or InTurn()

    @property
    def sees_through(self) -> bool:
        """Whether a call goes on, too, whose caller leaves before it has begun."""
        return self._room is not None and self.beside.live

    def enter(self) -> bool:
        """Whether there is room for one more, which `leave` ends."""
        return self._room is not None and self._room.acquire(blocking=False)

    def leave(self) -> None:
        if self._room is not None:
            self._room.release()

    def take(self, read: Callable[[], None]) -> bool:
        """Have it read, beside whoever asks; False where there is no room for more."""
        if not self.enter():
            return False
        threading.Thread(target=self._run, args=(read,), name="remainder", daemon=True).start()
        return True

    def _run(self, read: Callable[[], None]) -> None:
        try:
            read()
        except Exception as error:  # noqa: BLE001 - nobody else is there to hear of it
            logs.event("remainder_failed", level=logs.ERROR, error=error)
        finally:
            self.leave()


NO_REMAINDERS = Remainders(0)
