"""Changes that arrive while a transaction runs share the next one: under load they share the cost of a commit."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy.orm import Session

from tollhouse.domain.errors import Unavailable
from tollhouse.store.faults import is_contention, is_outage

MOST_TOGETHER = 16
"""Keeps SQLite's write lock under 50 ms."""
MOST_WAITING = 1000

Change = Callable[[Session], Any]


class SharedWrites:
    """`transaction` gives a session for writing, and commits when its block ends."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Session]]) -> None:
        self._transaction = transaction
        self._waiting: deque[tuple[Change, Future[Any]]] = deque()
        self._lock = threading.Lock()
        self._runs = False

    def put(self, change: Change) -> "Future[Any]":
        """What `change` gave, once it is committed. Who cancels in time has changed nothing."""
        answer: Future[Any] = Future()
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise Unavailable("The database does not keep up. Try again.", retry_after=1)
            self._waiting.append((change, answer))
            begins, self._runs = not self._runs, True
        if begins:
            # A daemon: one that hangs must not keep its process from ending.
            threading.Thread(target=self._run, name="put", daemon=True).start()
        return answer

    def _run(self) -> None:
        while True:
            with self._lock:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]
                if not group:
                    self._runs = False
                    return
            self._make([one for one in group if one[1].set_running_or_notify_cancel()])

    def _make(self, group: list[tuple[Change, "Future[Any]"]]) -> None:
        try:
            made = self._transact([change for change, _ in group])
        except BaseException as error:  # noqa: BLE001 - it is raised in whoever waits
            if len(group) > 1 and isinstance(error, Exception) and is_contention(error):
                for one in group:
                    self._make([one])
                return
            made = [error] * len(group)
        # Not before the connection is back: who has the answer may close the database.
        for (_, answer), result in zip(group, made, strict=True):
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    def _transact(self, changes: list[Change]) -> list[Any]:
        """What each gave or raised. Raises what was the transaction's own failure."""
        made: list[Any] = []
        with self._transaction() as session:
            if len(changes) == 1:
                return [changes[0](session)]
            for change in changes:
                try:
                    with session.begin_nested():
                        made.append(change(session))
                except Exception as error:
                    if is_contention(error) or is_outage(error):
                        raise
                    made.append(error)
        return made
