"""Orders and entries as rows of the tables: values in the order of the columns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Row as BookedRow

from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ledger import Attempt, Entry, HoldOrder
from tollhouse.domain.tags import joined

CALL = "call"
ADJUSTMENT = "adjustment"

_ATTEMPT_COLUMNS = (
    "request_id",
    "attempt",
    "key_id",
    "model",
    "provider",
    "upstream_model",
    "format",
    "streamed",
    "started_at",
    "team_id",
    "user_id",
    "tags",
    "end_user",
)
HOLD_COLUMNS = ("id", "instance_id", "amount", "input_bound", "taken", "held_at", "checkpoint", *_ATTEMPT_COLUMNS)
ENTRY_COLUMNS = (
    "id",
    "kind",
    "booked_at",
    "status",
    "outcome",
    "attempts",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "units",
    "estimated",
    "input_price",
    "cache_read_price",
    "cache_write_price",
    "output_price",
    "unit_price",
    "cost",
    "latency_us",
    "first_token_us",
    "saved",
    *_ATTEMPT_COLUMNS,
)
_COUNTS = slice(ENTRY_COLUMNS.index("input_tokens"), ENTRY_COLUMNS.index("units") + 1)
_COST = ENTRY_COLUMNS.index("cost")

Values = tuple[Any, ...]


class Stored(Protocol):
    """How a database takes what its driver's statements do not convert."""

    def moment(self, value: datetime) -> Any: ...

    def document(self, value: Any) -> Any: ...


def hold_values(order: HoldOrder, windows: Sequence[str], instance_id: str, now: datetime, stored: Stored) -> Values:
    """A hold of the order's amount in each of the windows. Its checkpoint has, at first, just the prices and units
    of what is charged if nothing more gets known.
    """
    return (
        order.id,
        instance_id,
        order.amount,
        order.input_bound,
        stored.document(dict.fromkeys(windows, order.amount)),
        stored.moment(now),
        stored.document({"prices": order.prices, "units": order.units}),
        *_attempt_values(order.attempt, stored),
    )


def entry_values(entry: Entry, now: datetime, stored: Stored) -> Values:
    """A booked attempt."""
    usage, prices = entry.usage, entry.prices
    each = (prices.input, prices.cache_read, prices.cache_write, prices.output, prices.unit) if prices else (None,) * 5
    return (
        new_id("led"),
        CALL,
        stored.moment(now),
        entry.status,
        entry.outcome,
        entry.attempts,
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.output,
        usage.reasoning,
        usage.units,
        usage.estimated,
        *each,
        entry.cost,
        entry.latency_us,
        entry.first_token_us,
        entry.saved,
        *_attempt_values(entry.attempt, stored),
    )


def _attempt_values(attempt: Attempt, stored: Stored) -> Values:
    return (
        attempt.request_id,
        attempt.number,
        attempt.key_id,
        attempt.model,
        attempt.provider,
        attempt.upstream_model,
        attempt.format,
        attempt.streamed,
        stored.moment(attempt.started_at),
        attempt.team_id,
        attempt.user_id,
        joined(attempt.tags),
        attempt.end_user,
    )


def correction_of(entry: Entry, booked: BookedRow[Any]) -> tuple[list[int], int]:
    """Counts, in the order of their columns, and cost, that make of a booked row what it should have been."""
    usage = entry.usage
    counts = (usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning, usage.units)
    before = [getattr(booked, name) for name in ENTRY_COLUMNS[_COUNTS]]
    return [now - then for now, then in zip(counts, before, strict=True)], (entry.cost or 0) - (booked.cost or 0)


def adjustment_values(entry: Entry, counts: Sequence[int], cost: int, now: datetime, stored: Stored) -> Values:
    """A row that is added to one that was booked before."""
    values = list(entry_values(entry, now, stored))
    values[ENTRY_COLUMNS.index("kind")], values[_COUNTS], values[_COST] = ADJUSTMENT, counts, cost
    return tuple(values)
