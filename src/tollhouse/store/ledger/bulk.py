"""Many holds and settlements at once, for whom no caller waits: each group is one transaction, as the writer's."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tollhouse import logs, metrics
from tollhouse.domain.ledger import HoldOrder, Settlement
from tollhouse.domain.principal import Scope
from tollhouse.store.database import Database
from tollhouse.store.faults import is_contention, is_refusal
from tollhouse.store.ledger.budget_book import BudgetBook
from tollhouse.store.ledger.group import Decisions, commit_group

MOST = 256
"""Of one transaction: keeps SQLite's write lock short."""
PATIENCE = 10.0

_T = TypeVar("_T")


class BulkLedger:
    """Of one thread. Close it."""

    def __init__(self, database: Database) -> None:
        self._engine = database.ledger_engine()
        self._book = BudgetBook()

    def has_hard_budget(self, scopes: Sequence[Scope]) -> bool:
        """Whether a hard budget is on one of the scopes now."""
        self._commit("", (), ())
        return self._book.has_hard(scopes)

    def hold(self, owner: str, orders: Sequence[HoldOrder]) -> Decisions:
        """Hold what there is room for, each order by itself, in the name of `owner`. Raises as `settle`."""
        return self._commit(owner, orders, ())

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Idempotent: one whose hold is gone changes nothing. Raises what the database raises."""
        for start in range(0, len(settlements), MOST):
            some = settlements[start : start + MOST]
            try:
                self._commit("", (), some)
            except Exception as error:
                if not is_refusal(error):
                    raise
                for one in some:  # one is to blame
                    self._settle_alone(one)

    def close(self) -> None:
        self._engine.dispose()

    def _settle_alone(self, settlement: Settlement) -> None:
        try:
            self._commit("", (), [settlement])
        except Exception as error:
            if not is_refusal(error):
                raise
            # What cannot be booked is in the log; what it held must not stay held.
            metrics.LEDGER_FAILURES.inc()
            logs.event("ledger_refused", level=logs.ERROR, error=repr(error)[:500], settlement=repr(settlement)[:2000])
            self._commit("", (), [Settlement(settlement.hold_id)])

    def _commit(self, owner: str, orders: Sequence[HoldOrder], settlements: Sequence[Settlement]) -> Decisions:
        def once() -> Decisions:
            with self._engine.connect() as connection:
                return commit_group(connection, self._book, owner, orders, settlements)

        return _patiently(once)


def _patiently(work: Callable[[], _T]) -> _T:
    """Until whoever has the lock lets go of it."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return work()
        except Exception as error:
            if not is_contention(error) or time.monotonic() >= until:
                raise
        metrics.LEDGER_RETRIES.inc()
        time.sleep(0.01)
