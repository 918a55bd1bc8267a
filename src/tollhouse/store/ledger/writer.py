"""The one ledger writer of a process: callers queue, one thread commits in groups.

Idle, a hold waits for nothing; under load all that arrive while a transaction runs share the next.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from tollhouse import logs, metrics
from tollhouse.domain.errors import LedgerUnavailable, TollhouseError
from tollhouse.domain.ledger import Hold, HoldOrder, Settlement
from tollhouse.domain.principal import Scope
from tollhouse.store.database import Database
from tollhouse.store.ledger.budget_book import BudgetBook
from tollhouse.store.ledger.faults import is_contention, is_refusal
from tollhouse.store.ledger.group import commit_group

GROUP_LIMIT = 512
"""Operations of one transaction: keeps SQLite's write lock under 50 ms."""


class LedgerWriter:
    """The ledger port, on SQL. `start` it after the fork; `stop` writes what is still queued."""

    def __init__(
        self,
        database: Database,
        instance_id: str,
        *,
        on_version: Callable[[int], None] = lambda version: None,
        wait_seconds: float = 2.0,
        longest_queue: int = 20_000,
    ) -> None:
        self._engine = database.ledger_engine()
        self._instance_id = instance_id
        self._on_version = on_version
        self._wait_seconds = wait_seconds
        self._longest_queue = longest_queue
        self._book = BudgetBook()
        self._orders: deque[_Waiting] = deque()
        self._settlements: deque[Settlement] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._away = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)

    def start(self) -> None:
        """Read the budgets, then serve. A database that is away now is waited for, not an error."""
        self._commit([], [])
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> bool:
        """Write what is queued; True when all of it was written in time."""
        self._stopping = True
        self._wake.set()
        self._thread.join(seconds)
        return not self._thread.is_alive() and not self._settlements

    def hold(self, order: HoldOrder) -> Hold:
        if self._away or self._stopping or len(self._orders) >= self._longest_queue:
            raise _unavailable()
        waiting = _Waiting(order)
        self._orders.append(waiting)
        self._wake.set()
        try:
            waiting.done.wait(self._wait_seconds)
        except BaseException:
            if not waiting.leave() and waiting.error is None:
                self.settle(Settlement(order.id))
            raise
        if waiting.leave():
            raise _unavailable()
        if waiting.error:
            raise waiting.error
        return Hold(order.id, order)

    def settle(self, settlement: Settlement) -> None:
        self._settlements.append(settlement)
        self._wake.set()

    def has_hard_budget(self, scopes: Sequence[Scope]) -> bool:
        return self._book.has_hard(scopes)

    @property
    def available(self) -> bool:
        """Whether the last transaction went through, and another can."""
        return not self._away and self._thread.is_alive()

    @property
    def unwritten(self) -> int:
        """Settlements that wait to be written."""
        return len(self._settlements)

    def _run(self) -> None:
        pause = 0.05
        while True:
            self._wake.wait(pause if self._away else None)
            self._wake.clear()
            orders = _take(self._orders)
            settlements = _take(self._settlements)
            if orders or settlements or self._away:
                self._commit_guarded(orders, settlements)
            if self._orders or self._settlements:
                self._wake.set()
            if self._away:
                if self._stopping:
                    break
                pause = min(pause * 2, 1.0)
                time.sleep(pause)
            elif self._stopping and not self._orders and not self._settlements:
                break
            else:
                pause = 0.05
        self._disconnect()

    def _commit_guarded(self, orders: list["_Waiting"], settlements: list[Settlement]) -> None:
        """Commit; a defect in what is around the transaction must not end the only thread that books."""
        try:
            self._commit(orders, settlements)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next group is served
            metrics.LEDGER_FAILURES.inc()
            logs.event("ledger_defect", level=logs.ERROR, error=error)

    def _commit(self, orders: list["_Waiting"], settlements: list[Settlement]) -> None:
        began = time.monotonic()
        while True:
            try:
                refusals = commit_group(
                    self._connect(),
                    self._book,
                    self._instance_id,
                    [waiting.order for waiting in orders],
                    settlements,
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, callers are answered and settlements kept
                if is_contention(error) and time.monotonic() - began < self._wait_seconds:
                    metrics.LEDGER_RETRIES.inc()
                    time.sleep(0.005)
                    continue
                self._failed(error, orders, settlements)
                return
            break
        self._back()
        metrics.LEDGER_GROUP_SIZE.observe(len(orders) + len(settlements))
        metrics.LEDGER_COMMIT_SECONDS.observe(time.monotonic() - began)
        metrics.LEDGER_QUEUE_DEPTH.set(len(self._orders) + len(self._settlements))
        for waiting in orders:
            refusal = refusals.get(waiting.order.id)
            if not waiting.finish(refusal) and refusal is None:
                self._settlements.append(Settlement(waiting.order.id))
                self._wake.set()
        self._on_version(self._book.version)

    def _failed(self, error: Exception, orders: list["_Waiting"], settlements: list[Settlement]) -> None:
        self._disconnect()
        if not is_refusal(error):
            self._settlements.extendleft(reversed(settlements))
            for waiting in orders:
                # The commit may have gone through unacknowledged: void by id what may be held.
                self._settlements.append(Settlement(waiting.order.id))
                waiting.finish(_unavailable())
            if is_contention(error):
                return
            if not self._away:
                logs.event("ledger_away", level=logs.ERROR, error=type(error).__name__, waiting=len(settlements))
            self._away = True
        elif len(orders) + len(settlements) > 1:
            # One of them is to blame: each alone, so that it fails alone.
            for waiting in orders:
                self._commit([waiting], [])
            for settlement in settlements:
                self._commit([], [settlement])
        else:
            metrics.LEDGER_FAILURES.inc()
            logs.event(
                "ledger_refused",
                level=logs.ERROR,
                error=repr(error)[:500],
                settlement=repr(settlements)[:2000],
            )
            for waiting in orders:
                waiting.finish(_unavailable())
            # What cannot be booked is in the log; what it held must not stay held.
            self._settlements.extend(Settlement(settlement.hold_id) for settlement in settlements if settlement.entry)

    def _back(self) -> None:
        if self._away:
            self._away = False
            logs.event("ledger_back", waiting=len(self._settlements))

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


class _Waiting:
    """A caller that waits for its hold. It is finished or left, never both."""

    __slots__ = ("_left", "_lock", "done", "error", "order")

    def __init__(self, order: HoldOrder) -> None:
        self.order = order
        self.done = threading.Event()
        self.error: TollhouseError | None = None
        self._left = False
        self._lock = threading.Lock()

    def finish(self, error: TollhouseError | None) -> bool:
        """Answer the caller; False when it has left."""
        with self._lock:
            if not self._left:
                self.error = error
                self.done.set()
            return not self._left

    def leave(self) -> bool:
        """Stop waiting; False when the answer is there already."""
        with self._lock:
            self._left = not self.done.is_set()
            return self._left


_T = TypeVar("_T")


def _take(queue: deque[_T]) -> list[_T]:
    return [queue.popleft() for _ in range(min(len(queue), GROUP_LIMIT // 2))]


def _unavailable() -> LedgerUnavailable:
    return LedgerUnavailable(
        "The ledger's database does not answer: no call is made unmetered. Try again.", retry_after=1
    )
