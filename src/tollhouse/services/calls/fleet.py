"""How many processes make calls: what a limit is divided by while they cannot ask each other."""

import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from tollhouse.store.database import Database
from tollhouse.store.instances import count_living

COUNT_SECONDS = 3.0


class Fleet:
    """Counts the living instances now and then, so that the number is there when nobody can be asked any more."""

    def __init__(self, database: Database, matters: Callable[[], bool]) -> None:
        """`matters` says whether anybody needs the number: without limits the database is not asked."""
        self.size = 1
        self._database = database
        self._matters = matters
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="fleet", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def count(self) -> None:
        """Count now. A database that is away leaves the number as it is."""
        try:
            self.size = max(1, count_living(self._database))
        except (SQLAlchemyError, OSError):
            return

    def _watch(self) -> None:
        while not self._stopped.is_set():
            if self._matters():
                self.count()
            self._stopped.wait(COUNT_SECONDS)
