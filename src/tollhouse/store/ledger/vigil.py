"""While the database is silent, what is in memory alone goes on the disk, also where nobody calls any more."""

import threading
from collections.abc import Callable

LOOK_SECONDS = 0.5


class Vigil:
    """Asks `is_silent` twice a second, and calls `shelter` each time that it is. Start and stop it once."""

    def __init__(self, is_silent: Callable[[], bool], shelter: Callable[[], None]) -> None:
        self._is_silent = is_silent
        self._shelter = shelter
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-vigil", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if self._is_silent():
                self._shelter()
