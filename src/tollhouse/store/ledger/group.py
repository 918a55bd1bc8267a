"""One transaction of the ledger: every hold and settlement that arrived while the last one ran.

In the order in which everyone takes locks: holds of this process, budget windows by id, ledger rows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tollhouse.domain.errors import BudgetExceeded
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ledger import Attempt, Entry, HoldOrder, Settlement
from tollhouse.domain.money import usd_from_nanos
from tollhouse.store.ledger import statements
from tollhouse.store.ledger.budget_book import BudgetBook, Window

Refusals = dict[str, BudgetExceeded]
"""By the id of the order; orders that are not in it are held."""


def commit_group(
    connection: Connection,
    book: BudgetBook,
    instance_id: str,
    orders: Sequence[HoldOrder],
    settlements: Sequence[Settlement],
) -> Refusals:
    """Settle first, so that what is freed can be held again, then decide every order, and commit.

    A settlement whose hold is gone changes nothing: somebody has booked it. Raises what the driver
    raises; then nothing of the group has happened, unless the commit itself was not acknowledged.
    """
    with connection.begin():
        now, version = statements.begin_group(connection)
        if version != book.version:
            book.load(connection, version)
        changes = _Changes()
        booked = _end_holds(connection, settlements, changes)
        wanted = {order.id: book.windows(order.scopes, now) for order in orders}
        _make_missing(connection, book, wanted)
        refusals = _decide(connection, orders, wanted, changes)
        if changes:
            statements.move(connection, changes)
        held = [order for order in orders if order.id not in refusals]
        if held:
            statements.insert_holds(connection, [_hold_row(o, wanted[o.id], instance_id, now) for o in held])
        if booked:
            statements.insert_entries(connection, [_entry_row(entry, now) for entry in booked])
    book.made.update(window.id for windows in wanted.values() for window in windows)
    return refusals


class _Changes(dict[str, tuple[int, int]]):
    """What the group adds to (spent, held) of each window."""

    def add(self, window_id: str, spent: int, held: int) -> None:
        before = self.get(window_id, (0, 0))
        self[window_id] = (before[0] + spent, before[1] + held)


def _end_holds(connection: Connection, settlements: Sequence[Settlement], changes: _Changes) -> list[Entry]:
    if not settlements:
        return []
    taken = statements.end_holds(connection, [settlement.hold_id for settlement in settlements])
    booked = []
    for settlement in settlements:
        windows = taken.pop(settlement.hold_id, None)
        if windows is None:
            continue
        cost = settlement.entry.cost or 0 if settlement.entry else 0
        for window_id, amount in windows.items():
            changes.add(window_id, cost, -amount)
        if settlement.entry:
            booked.append(settlement.entry)
    return booked


def _make_missing(connection: Connection, book: BudgetBook, wanted: Mapping[str, list[Window]]) -> None:
    missing = {w.id: w for windows in wanted.values() for w in windows if w.id not in book.made}
    if missing:
        statements.make_windows(connection, missing)


def _decide(
    connection: Connection, orders: Sequence[HoldOrder], wanted: Mapping[str, list[Window]], changes: _Changes
) -> Refusals:
    touched = changes.keys() | {window.id for windows in wanted.values() for window in windows}
    used = statements.lock_windows(connection, sorted(touched)) if touched else {}
    for window_id in used:
        used[window_id] += sum(changes.get(window_id, (0, 0)))
    refusals: Refusals = {}
    for order in orders:
        windows = wanted[order.id]
        refusal = next((r for w in windows if w.budget.hard and (r := _refusal(order, w, used[w.id]))), None)
        if refusal:
            refusals[order.id] = refusal
            continue
        for window in windows:
            changes.add(window.id, 0, order.amount)
            if window.budget.hard:
                used[window.id] += order.amount
    return refusals


def _refusal(order: HoldOrder, window: Window, used: int) -> BudgetExceeded | None:
    budget = window.budget
    if not order.bounded:
        return BudgetExceeded(
            f"The budget of this {budget.scope[0]} is hard, and the most that this call can cost is not known: "
            "give the model a price, and its context window or the call an output cap."
        )
    if order.amount <= budget.limit - used:
        return None
    room = usd_from_nanos(max(0, budget.limit - used))
    when = "" if budget.period == "total" else f" this {budget.period}"
    return BudgetExceeded(
        f"The budget of this {budget.scope[0]} has {room} USD left{when}, and the call can cost up to "
        f"{usd_from_nanos(order.amount)} USD. Ask for less output, or raise the budget."
    )


def _attempt_columns(attempt: Attempt) -> dict[str, Any]:
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


def _hold_row(order: HoldOrder, windows: list[Window], instance_id: str, now: datetime) -> dict[str, Any]:
    return {
        **_attempt_columns(order.attempt),
        "id": order.id,
        "instance_id": instance_id,
        "amount": order.amount,
        "input_bound": order.input_bound,
        "taken": {window.id: order.amount for window in windows},
        "held_at": now,
    }


def _entry_row(entry: Entry, now: datetime) -> dict[str, Any]:
    usage, prices = entry.usage, entry.prices
    return {
        **_attempt_columns(entry.attempt),
        "id": new_id("led"),
        "kind": "call",
        "booked_at": now,
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
