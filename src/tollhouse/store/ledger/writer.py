"""The one ledger writer of a process: callers queue, one thread commits in groups.

Idle, a hold waits for nothing; under load all that arrive while a transaction runs share the next.
While the database is away, new calls are refused at once and settlements wait in the spool.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from sqlalchemy import Connection

from tollhouse import crash_points, logs, metrics
from tollhouse.domain.errors import BudgetExceeded
from tollhouse.domain.ledger import Entry, Hold, HoldOrder, Settlement
from tollhouse.domain.ports import Outside, at_once
from tollhouse.domain.principal import Scope
from tollhouse.store.database import Database
from tollhouse.store.faults import is_contention, is_refusal, locks_all
from tollhouse.store.instances import Instance
from tollhouse.store.ledger.backlog import Backlog
from tollhouse.store.ledger.blocked import PROBE_SECONDS, Blocked
from tollhouse.store.ledger.budget_book import BudgetBook
from tollhouse.store.ledger.drivers import tables_of
from tollhouse.store.ledger.group import Decision, Decisions, commit_group
from tollhouse.store.ledger.lag import Lag
from tollhouse.store.ledger.open_calls import CHECKPOINT_SECONDS, OpenCalls
from tollhouse.store.ledger.outage import Outage
from tollhouse.store.ledger.spool import Spool
from tollhouse.store.ledger.vigil import Vigil
from tollhouse.store.ledger.waiting import Waiting, WaitingLine, unavailable

GROUP_LIMIT = 512
"""Operations of one transaction: keeps SQLite's write lock under 50 ms."""


class LedgerWriter:
    """The ledger port, on SQL. `start` it after the fork; `stop` writes what is still queued."""

    def __init__(
        self,
        database: Database,
        instance: Instance,
        spool: Spool,
        *,
        on_version: Callable[[int], None] = lambda version: None,
        wait_seconds: float = 2.0,
        longest_queue: int = 20_000,
        outside: Outside = at_once,
    ) -> None:
        """`outside` runs SQLite's commits, which wait for the disk, where they hold up nobody else."""
        self._database = database
        self._engine = database.ledger_engine()
        self._instance = instance
        self._on_version = on_version
        self._wait_seconds = wait_seconds
        self._outside = outside
        self._book = BudgetBook()
        self._open = OpenCalls()
        self._outage = Outage(instance.kind)
        self._lag = Lag()
        self._orders = WaitingLine(longest_queue)
        self._settlements = Backlog(spool)
        self._blocked = Blocked()
        self._wake = threading.Event()
        self._stopping = False
        self._tick_at = 0.0
        self._news: Iterator[dict[str, Entry]] = iter(())
        self._in_group = False
        """Whether what fails now is the group's: else nothing of it can be to blame."""
        self._trying_since: float | None = None
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._vigil = Vigil(self._hangs, self._take_shelter)

    def start(self) -> None:
        """Take over what ended processes left, read the budgets, then serve. A database that is away now is
        waited for, not an error.
        """
        self._settlements.take_over()
        self._take_turn()
        self._thread.start()
        self._vigil.start()

    def stop(self, seconds: float = 10.0) -> bool:
        """Write what is queued; True when all of it was written in time. What was not is in the spool."""
        self._stopping = True
        self._wake.set()
        self._thread.join(seconds)
        self._vigil.stop()
        ended = not self._thread.is_alive()
        if not ended:
            self._settlements.shelter()
        self._settlements.close()
        return ended and not self.unwritten

    def hold(self, order: HoldOrder) -> Hold:
        if not self.available:
            self._outage.tell("it is silent", self.unwritten)
            raise unavailable()
        if self._stopping:
            raise unavailable()
        waiting = self._orders.add(order)
        self._wake.set()
        try:
            waiting.wait(self._wait_seconds)
        except BaseException:
            if not waiting.leave() and waiting.error is None:
                self.settle(Settlement(order.id, windows=waiting.windows))
            raise
        if waiting.leave():
            metrics.LEDGER_HOLDS_TIMED_OUT.inc()
            if self._hangs():
                self._outage.tell("it is silent", self.unwritten)
            raise unavailable()
        if waiting.error:
            raise waiting.error
        crash_points.reach("hold_committed")
        return Hold(order.id, order, waiting.windows)

    def follow(self, hold: Hold, known: Callable[[], Entry | None]) -> None:
        self._open.follow(hold.id, known)

    def settle(self, settlement: Settlement) -> None:
        self._open.forget(settlement.hold_id)
        self._settlements.add(settlement)
        self._wake.set()
        if self._hangs():
            self._take_shelter()
        crash_points.reach("settle_queued")

    def has_hard_budget(self, scopes: Sequence[Scope]) -> bool:
        return self._book.has_hard(scopes)

    @property
    def available(self) -> bool:
        """Whether the last transaction went through, and the one that runs does not hang."""
        return not self._outage.lasts and not self._hangs()

    @property
    def unwritten(self) -> int:
        """Settlements that wait to be written."""
        return len(self._settlements)

    def _hangs(self) -> bool:
        since = self._trying_since
        return since is not None and time.monotonic() - since >= self._wait_seconds

    def _take_shelter(self) -> None:
        """The transaction that runs hangs: from now on each settlement is on the disk, those before it too."""
        self._outage.tell("it is silent", self.unwritten)
        self._settlements.shelter()
        self._lag.hangs(self._trying_since or time.monotonic())

    def _run(self) -> None:
        while not (self._stopping and (self._outage.lasts or not (self._orders or self._settlements))):
            self._wake.wait(self._patience())
            self._wake.clear()
            if self._outage.lasts:
                self._turn_away()
            if not self._outage.lasts or not self._outage.retry_in:
                self._take_turn()
        self._turn_away()
        self._disconnect()

    def _patience(self) -> float:
        if self._outage.lasts:
            return self._outage.retry_in
        if self._blocked:
            return PROBE_SECONDS
        if self._stopping or self._orders or self._settlements:
            return 0.0
        return max(0.0, self._tick_at - time.monotonic())

    def _take_turn(self) -> None:
        """One transaction. A defect in what is around it must not end the only thread that books."""
        orders, settlements = self._orders.take(GROUP_LIMIT // 2), self._settlements.take(GROUP_LIMIT // 2)
        left = self.unwritten
        try:
            self._commit(orders, settlements)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next group is served
            metrics.LEDGER_FAILURES.inc()
            logs.event("ledger_defect", level=logs.ERROR, error=error)
        finally:
            self._settlements.done()
            self._trying_since = None
            self._lag.look(self.unwritten, behind=bool(left or (self._outage.lasts and self.unwritten)))

    def _commit(self, orders: list[Waiting], settlements: list[Settlement]) -> None:
        began = self._trying_since = time.monotonic()
        while True:
            try:
                if self._blocked:
                    orders, settlements = self._let_pass(orders, settlements)
                decisions = self._transact(orders, settlements)
                break
            except Exception as error:  # noqa: BLE001 - whatever it is, callers are answered and settlements kept
                if not is_contention(error) or time.monotonic() - began >= self._wait_seconds:
                    self._failed(error, orders, settlements)
                    return
                metrics.LEDGER_RETRIES.inc()
                self._open.say_again()
                self._blocked.suspected = not locks_all(error)
                time.sleep(0.005)
        # First of all, for what was held must be known to somebody.
        for waiting in orders:
            self._answer(waiting, decisions[waiting.order.id])
        self._outage.over(self.unwritten)
        if orders or settlements:
            metrics.LEDGER_GROUP_SIZE.observe(len(orders) + len(settlements))
            metrics.LEDGER_COMMIT_SECONDS.observe(time.monotonic() - began)
        self._on_version(self._book.version)

    def _let_pass(self, orders: list[Waiting], settlements: list[Settlement]) -> tuple[list[Waiting], list[Settlement]]:
        """Of the group, what touches no window that others keep locked; the rest waits for another turn."""
        free, held_up = self._blocked.part(self._connect(), self._book, orders, settlements)
        self._orders.put_back(held_up[0])
        for settlement in held_up[1]:
            self._settlements.add(settlement)
        return free

    def _transact(self, orders: list[Waiting], settlements: list[Settlement]) -> Decisions:
        if self._outage.lasts:
            self._database.check_room()
        self._in_group = False
        connection = self._connect()
        if self._outage.lasts or time.monotonic() >= self._tick_at:
            self._show(connection)
            self._news = self._open.news()
            self._tick_at = time.monotonic() + CHECKPOINT_SECONDS
        if known := next(self._news, None):
            with connection.begin():
                tables_of(connection).checkpoint(known)
            self._wake.set()  # there may be more, but who waits for a hold does not wait for all of it
        if not (orders or settlements) and self._book.version >= 0:
            return {}
        self._in_group = True
        decisions = commit_group(
            connection,
            self._book,
            self._instance.id,
            [waiting.order for waiting in orders],
            settlements,
            outside=self._outside,
        )
        if settlements:
            crash_points.reach("settle_committed")
        return decisions

    def _show(self, connection: Connection) -> None:
        """That this process lives, where that is due. While the database is away this is the attempt to reach it,
        and always writes: a full disk can be read.
        """
        if self._outage.lasts or self._instance.is_due:
            self._instance.show(connection)

    def _answer(self, waiting: Waiting, decision: Decision) -> None:
        if isinstance(decision, BudgetExceeded):
            waiting.finish(decision)
        elif not waiting.finish(None, decision):
            self._settlements.add(Settlement(waiting.order.id, windows=decision))

    def _failed(self, error: Exception, orders: list[Waiting], settlements: list[Settlement]) -> None:
        self._disconnect()
        self._open.say_again()
        self._book.made.clear()  # another server may not have what was made on the last one
        if not (self._in_group and is_refusal(error)):
            self._settlements.put_back(settlements)
            for waiting in orders:
                # The commit may have gone through unacknowledged: void by id what may be held.
                self._settlements.add(Settlement(waiting.order.id))
                waiting.finish(unavailable())
            if not is_contention(error) or locks_all(error):
                self._outage.met(error, self.unwritten)
                self._turn_away()
        elif len(orders) + len(settlements) > 1:
            # One of them is to blame: each alone, so that it fails alone.
            for waiting in orders:
                self._commit([waiting], [])
            for settlement in settlements:
                self._commit([], [settlement])
        else:
            self._give_up(error, orders, settlements)

    def _give_up(self, error: Exception, orders: list[Waiting], settlements: list[Settlement]) -> None:
        metrics.LEDGER_FAILURES.inc()
        logs.event("ledger_refused", level=logs.ERROR, error=repr(error)[:500], settlement=repr(settlements)[:2000])
        for waiting in orders:
            waiting.finish(unavailable())
        # What cannot be booked is in the log; what it held must not stay held.
        for settlement in (one for one in settlements if one.entry):
            self._settlements.add(Settlement(settlement.hold_id))

    def _turn_away(self) -> None:
        """Without the database: who waits for a hold is refused, and settlements go on the disk."""
        self._orders.turn_away()
        self._settlements.keep()

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is broken, which is why it is let go
                connection.invalidate()
                connection.close()
