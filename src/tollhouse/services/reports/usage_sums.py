"""What is added up of ledger rows, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_

from tollhouse.domain.ledger import PROCESS_DIED
from tollhouse.domain.money import usd_from_nanos
from tollhouse.store.ledger.rows import CALL
from tollhouse.store.records import LedgerRecord

OK_OUTCOMES = ("ok", "client_gone")
"""How a call ends that did not fail: who left is the caller."""


@dataclass(slots=True)
class UsageSums:
    """Sums over ledger rows. `unpriced` rows are in the counts, and have no cost; `cached` ones got a reply that was
    made before, which `saved` so much; `failed` calls ended with an error, whatever was tried before.
    """

    requests: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    unpriced: int = 0
    cached: int = 0
    saved: int = 0
    failed: int = 0

    def add(self, numbers: Sequence[int]) -> None:
        """Add what a row of sums says, in the order of the fields."""
        for name, number in zip(NAMES, numbers, strict=True):
            setattr(self, name, getattr(self, name) + int(number or 0))

    @property
    def prompt_tokens(self) -> int:
        """All that went in."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    def shown(self) -> dict[str, Any]:
        """As reports tell it: all that went in, with how much of it came from a cache."""
        return {
            "requests": self.requests,
            "input_tokens": self.prompt_tokens,
            "cached_tokens": self.cache_read_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": usd_from_nanos(self.cost),
            "unpriced_requests": self.unpriced,
            "cached_requests": self.cached,
            "saved_usd": usd_from_nanos(self.saved),
            "failed_requests": self.failed,
        }


NAMES = tuple(one.name for one in fields(UsageSums))


def sums_of_ledger() -> list[ColumnElement[Any]]:
    """The sums of ledger rows, in the order of `UsageSums`. Adjustments are no requests, nor are further attempts; an
    attempt that its caller did not see has status 0.
    """
    row = LedgerRecord
    seen = or_(row.status > 0, row.outcome == PROCESS_DIED)
    return [
        func.count().filter(row.kind == CALL, row.attempt == 1),
        func.sum(row.input_tokens),
        func.sum(row.cache_read_tokens),
        func.sum(row.cache_write_tokens),
        func.sum(row.output_tokens),
        func.coalesce(func.sum(row.cost), 0),
        func.count().filter(row.cost.is_(None)),
        func.count().filter(row.saved.is_not(None)),
        func.coalesce(func.sum(row.saved), 0),
        func.count().filter(and_(row.kind == CALL, row.outcome.not_in(OK_OUTCOMES), seen)),
    ]
