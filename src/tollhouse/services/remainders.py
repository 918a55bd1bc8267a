"""Replies whose callers have left, read to their end: what they used is then what their provider says, not a guess."""

import threading
from collections.abc import Callable

from tollhouse import logs

MOST_AT_ONCE = 200


class Remainders:
    """Those of one process. Each ends by the deadlines of its own exchange."""

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        """`most` at once; 0 for none."""
        self._room = threading.BoundedSemaphore(most) if most else None

    def take(self, read: Callable[[], None]) -> bool:
        """Have it read, beside whoever asks; False where there is no room for more."""
        if self._room is None or not self._room.acquire(blocking=False):
            return False
        threading.Thread(target=self._run, args=(read, self._room), name="remainder", daemon=True).start()
        return True

    def _run(self, read: Callable[[], None], room: threading.BoundedSemaphore) -> None:
        try:
            read()
        except Exception as error:  # noqa: BLE001 - nobody else is there to hear of it
            logs.event("remainder_failed", level=logs.ERROR, error=error)
        finally:
            room.release()


NO_REMAINDERS = Remainders(0)
