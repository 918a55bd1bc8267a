"""Orders and entries as rows of the tables."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row as BookedRow

from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ledger import PROCESS_DIED, Attempt, Entry, HoldOrder
from tollhouse.domain.usage import Usage
from tollhouse.store.ledger.budget_book import Window

Row = dict[str, Any]
CALL = "call"
ADJUSTMENT = "adjustment"


def hold_row(order: HoldOrder, windows: list[Window], instance_id: str, now: datetime) -> Row:
    """A hold. Its checkpoint is, at first, what is booked if the process dies before it says more."""
    return {
        **_attempt_columns(order.attempt),
        "id": order.id,
        "instance_id": instance_id,
        "amount": order.amount,
        "input_bound": order.input_bound,
        "taken": {window.id: order.amount for window in windows},
        "held_at": now,
        "checkpoint": unknown_entry(order),
    }


def unknown_entry(order: HoldOrder) -> Entry:
    """What is booked of a call of which nothing is known but that it may have been sent."""
    usage = Usage(input=order.input_bound, estimated=True)
    cost = order.prices.cost(usage) if order.prices else None
    return Entry(order.attempt, 0, PROCESS_DIED, 1, usage, order.prices, cost, 0, None)


def entry_row(entry: Entry) -> Row:
    """A row of the ledger, but for its time."""
    usage, prices = entry.usage, entry.prices
    return {
        **_attempt_columns(entry.attempt),
        "id": new_id("led"),
        "kind": CALL,
        "status": entry.status,
        "outcome": entry.outcome,
        "attempts": entry.attempts,
        "input_tokens": usage.input,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "estimated": usage.estimated,
        "input_price": prices.input if prices else None,
        "cache_read_price": prices.cache_read if prices else None,
        "cache_write_price": prices.cache_write if prices else None,
        "output_price": prices.output if prices else None,
        "cost": entry.cost,
        "latency_us": entry.latency_us,
        "first_token_us": entry.first_token_us,
    }


def adjustment_row(entry: Entry, booked: BookedRow[Any]) -> Row:
    """What makes of a booked row what it should have been: the sum of the two is the entry."""
    row = entry_row(entry)
    differences = {name: row[name] - getattr(booked, name) for name in COUNTS}
    return {**row, **differences, "kind": ADJUSTMENT, "cost": (entry.cost or 0) - (booked.cost or 0)}


COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def _attempt_columns(attempt: Attempt) -> Row:
    return {
        "request_id": attempt.request_id,
        "attempt": attempt.number,
        "key_id": attempt.key_id,
        "model": attempt.model,
        "provider": attempt.provider,
        "upstream_model": attempt.upstream_model,
        "format": attempt.format,
        "streamed": attempt.streamed,
        "started_at": attempt.started_at,
    }
