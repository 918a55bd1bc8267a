"""Budget windows that somebody else keeps locked: who touches them waits, and nobody else does."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from tollhouse.domain.ledger import Settlement
from tollhouse.store.ledger.budget_book import BudgetBook
from tollhouse.store.ledger.waiting import Waiting
from tollhouse.store.records import BudgetWindowRecord

PROBE_SECONDS = 0.02
"""How often it is looked whether they are free again."""

Group = tuple[list[Waiting], list[Settlement]]


class Blocked:
    """What is known of other transactions' locks. Of PostgreSQL alone: SQLite has one lock, and who waits for it
    waits with everybody else.
    """

    def __init__(self) -> None:
        self.suspected = False
        """Whether a group has waited for a lock in vain: which one is not known yet."""
        self._windows: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.suspected or bool(self._windows)

    def part(
        self, connection: Connection, book: BudgetBook, orders: Sequence[Waiting], settlements: Sequence[Settlement]
    ) -> tuple[Group, Group]:
        """The group as (those that can go on now, those whose windows are locked), without callers who have left.

        Which windows a hold falls in goes by this machine's time: where that is wrong, the group waits once more.
        """
        now = datetime.now(UTC)
        asked = [(waiting, [w.id for w in book.windows(waiting.order.scopes, now)]) for waiting in orders]
        touched = {id for _, ids in asked for id in ids} | {id for one in settlements for id in one.windows}
        self._windows = _locked(connection, touched) if touched else frozenset()
        self.suspected = False
        free: Group = (
            [one for one, ids in asked if self._passes(ids)],
            [s for s in settlements if self._passes(s.windows)],
        )
        held_up = [one for one, ids in asked if not self._passes(ids) and not one.has_left]
        return free, (held_up, [s for s in settlements if not self._passes(s.windows)])

    def _passes(self, windows: Iterable[str]) -> bool:
        return self._windows.isdisjoint(windows)


def _locked(connection: Connection, ids: Iterable[str]) -> frozenset[str]:
    there = select(BudgetWindowRecord.id).where(BudgetWindowRecord.id.in_(sorted(ids)))
    with connection.begin() as looking:
        known = set(connection.scalars(there))
        free = set(connection.scalars(there.with_for_update(skip_locked=True)))
        looking.rollback()
    return frozenset(known - free)
