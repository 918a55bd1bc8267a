"""One transaction of the ledger: every hold and settlement that arrived while the last one ran.

In the order in which everyone takes locks: holds of this process, budget windows by id, ledger rows.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from tollhouse import crash_points
from tollhouse.domain.errors import BudgetExceeded
from tollhouse.domain.ledger import HoldOrder, Settlement
from tollhouse.domain.money import usd_from_nanos
from tollhouse.store.ledger import statements
from tollhouse.store.ledger.budget_book import BudgetBook, Window
from tollhouse.store.ledger.rows import Row, adjustment_row, entry_row, hold_row

Decision = BudgetExceeded | tuple[str, ...]
"""Of an order: why it is refused, or the windows that it is held in."""
Decisions = dict[str, Decision]
"""By the id of the order."""


def commit_group(
    connection: Connection,
    book: BudgetBook,
    instance_id: str,
    orders: Sequence[HoldOrder],
    settlements: Sequence[Settlement],
) -> Decisions:
    """Settle first, so that what is freed can be held again, then decide every order, and commit.

    A settlement whose hold is gone changes nothing, for somebody has booked it; but what was booked for a
    process that seemed dead is corrected, once. Raises what the driver raises; then nothing of the group
    has happened, unless the commit itself was not acknowledged.
    """
    with connection.begin():
        now, version = statements.begin_group(connection)
        if version != book.version:
            book.load(connection, version)
        changes = _Changes()
        booked = _end_holds(connection, settlements, changes)
        wanted = {order.id: book.windows(order.scopes, now) for order in orders}
        _make_missing(connection, book, wanted)
        decisions = _decide(connection, orders, wanted, changes)
        if changes:
            statements.move(connection, changes)
        held = [order for order in orders if isinstance(decisions[order.id], tuple)]
        if held:
            statements.insert_holds(connection, [hold_row(o, wanted[o.id], instance_id, now) for o in held])
        if booked:
            statements.insert_entries(connection, [{**row, "booked_at": now} for row in booked])
        if settlements:
            crash_points.reach("settle_committing")
    book.made.update(window.id for windows in wanted.values() for window in windows)
    return decisions


class _Changes(dict[str, tuple[int, int]]):
    """What the group adds to (spent, held) of each window."""

    def add(self, window_id: str, spent: int, held: int) -> None:
        before = self.get(window_id, (0, 0))
        self[window_id] = (before[0] + spent, before[1] + held)


def _end_holds(connection: Connection, settlements: Sequence[Settlement], changes: _Changes) -> list[Row]:
    """The rows to book, of settlements whose hold was there, and of corrections."""
    if not settlements:
        return []
    taken = statements.end_holds(connection, [settlement.hold_id for settlement in settlements])
    rows, late = [], []
    for settlement in settlements:
        windows = taken.pop(settlement.hold_id, None)
        if windows is None:
            late.append(settlement)
            continue
        cost = settlement.entry.cost or 0 if settlement.entry else 0
        for window_id, amount in windows.items():
            changes.add(window_id, cost, -amount)
        if settlement.entry:
            rows.append(entry_row(settlement.entry))
    return rows + _corrections(connection, late, changes)


def _corrections(connection: Connection, late: Sequence[Settlement], changes: _Changes) -> list[Row]:
    """What was booked for a process that seemed dead, where it turns out to know better."""
    entries = {(s.entry.attempt.request_id, s.entry.attempt.number): s for s in late if s.entry}
    if not entries:
        return []
    rows = []
    for booked in statements.uncorrected(connection, sorted({request_id for request_id, _ in entries})):
        settlement = entries.get((booked.request_id, booked.attempt))
        if settlement is None or settlement.entry is None:
            continue
        row = adjustment_row(settlement.entry, booked)
        for window_id in settlement.windows:
            changes.add(window_id, row["cost"], 0)
        rows.append(row)
    return rows


def _make_missing(connection: Connection, book: BudgetBook, wanted: Mapping[str, list[Window]]) -> None:
    missing = {w.id: w for windows in wanted.values() for w in windows if w.id not in book.made}
    if missing:
        statements.make_windows(connection, missing)


def _decide(
    connection: Connection, orders: Sequence[HoldOrder], wanted: Mapping[str, list[Window]], changes: _Changes
) -> Decisions:
    touched = changes.keys() | {window.id for windows in wanted.values() for window in windows}
    used = statements.lock_windows(connection, sorted(touched)) if touched else {}
    for window_id in used:
        used[window_id] += sum(changes.get(window_id, (0, 0)))
    decisions: Decisions = {}
    for order in orders:
        windows = wanted[order.id]
        refusal = next((r for w in windows if w.budget.hard and (r := _refusal(order, w, used[w.id]))), None)
        if refusal:
            decisions[order.id] = refusal
            continue
        decisions[order.id] = tuple(window.id for window in windows)
        for window in windows:
            changes.add(window.id, 0, order.amount)
            if window.budget.hard:
                used[window.id] += order.amount
    return decisions


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
