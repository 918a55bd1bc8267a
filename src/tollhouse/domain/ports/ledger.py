"""Where calls are held and booked."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tollhouse.domain.ledger import Entry, Hold, HoldOrder, Settlement
from tollhouse.domain.principal import Scope


class Ledger(Protocol):
    """Holds and settlements, committed in groups."""

    def hold(self, order: HoldOrder) -> Hold:
        """Wait until the hold is committed. Raises BudgetExceeded (nothing held) or LedgerUnavailable."""

    def follow(self, hold: Hold, known: Callable[[], Entry | None]) -> None:
        """Write down what is `known` of a held call now and then, until it is settled: what is booked
        if this process dies. `known` is called from another thread, must not raise, and gives None while
        nothing was sent.
        """

    def settle(self, settlement: Settlement) -> None:
        """Take the settlement and return at once; it is written as soon as the database takes it."""

    def has_hard_budget(self, scopes: Sequence[Scope]) -> bool:
        """Whether a hard budget was on one of the scopes when the database was last read."""
