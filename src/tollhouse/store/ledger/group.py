"""One transaction of the ledger: every hold and settlement that arrived while the last one ran.

In the order in which everyone takes locks: holds of this process, budget windows by id, ledger rows.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from tollhouse import crash_points
from tollhouse.domain.errors import BudgetExceeded
from tollhouse.domain.ledger import Entry, HoldOrder, Settlement
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.ports import Outside, at_once
from tollhouse.domain.principal import Scope
from tollhouse.store.ledger.budget_book import BudgetBook, Window
from tollhouse.store.ledger.drivers import tables_of
from tollhouse.store.ledger.rows import Values, adjustment_values, correction_of, entry_values, hold_values
from tollhouse.store.ledger.tables import Opened, Tables, make_windows, uncorrected

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
    *,
    outside: Outside = at_once,
) -> Decisions:
    """Settle first, so that what is freed can be held again, then decide every order, and commit.

    A settlement whose hold is gone changes nothing, for somebody has booked it; but what was booked for a
    process that seemed dead is corrected, once. Raises what the driver raises; then nothing of the group
    has happened, unless the commit itself was not acknowledged.
    """
    with connection.begin():
        tables = tables_of(connection, outside)
        opened = tables.open([settlement.hold_id for settlement in settlements])
        if opened.version != book.version:
            book.load(connection, opened.version)
        changes = _Changes()
        booked = _settle(connection, tables, opened, settlements, changes)
        wanted = {order.id: book.windows(order.scopes, opened.now) for order in orders}
        _make_missing(connection, book, wanted)
        decisions = _decide(tables, orders, wanted, changes)
        held = [
            hold_values(order, windows, instance_id, opened.now, tables)
            for order in orders
            if isinstance(windows := decisions[order.id], tuple)
        ]
        if settlements:
            crash_points.reach("settle_committing")
        tables.commit(changes, held, booked)
    book.made.update(window.id for windows in wanted.values() for window in windows)
    return decisions


class _Changes(dict[str, tuple[int, int]]):
    """What the group adds to (spent, held) of each window."""

    def add(self, window_id: str, spent: int, held: int) -> None:
        before = self.get(window_id, (0, 0))
        self[window_id] = (before[0] + spent, before[1] + held)


def _settle(
    connection: Connection, tables: Tables, opened: Opened, settlements: Sequence[Settlement], changes: _Changes
) -> list[Values]:
    """The rows to book: of settlements whose hold was there, and corrections of what was booked before."""
    rows, late = [], []
    for settlement in settlements:
        windows, entry = opened.taken.pop(settlement.hold_id, None), settlement.entry
        if windows is None:
            if entry:
                late.append((settlement, entry))
            continue
        cost = entry.cost or 0 if entry else 0
        for window_id, amount in windows.items():
            changes.add(window_id, cost, -amount)
        if entry:
            rows.append(entry_values(entry, opened.now, tables))
    return rows + (_correct(connection, tables, opened, late, changes) if late else [])


def _correct(
    connection: Connection,
    tables: Tables,
    opened: Opened,
    late: Sequence[tuple[Settlement, Entry]],
    changes: _Changes,
) -> list[Values]:
    """What was booked for a process that seemed dead, where it turns out to know better."""
    by_attempt = {(entry.attempt.request_id, entry.attempt.number): (one, entry) for one, entry in late}
    rows = []
    for booked in uncorrected(connection, sorted({request_id for request_id, _ in by_attempt})):
        if found := by_attempt.get((booked.request_id, booked.attempt)):
            settlement, entry = found
            counts, cost = correction_of(entry, booked)
            for window_id in settlement.windows:
                changes.add(window_id, cost, 0)
            rows.append(adjustment_values(entry, counts, cost, opened.now, tables))
    return rows


def _make_missing(connection: Connection, book: BudgetBook, wanted: Mapping[str, list[Window]]) -> None:
    missing = {w.id: w for windows in wanted.values() for w in windows if w.id not in book.made}
    if missing:
        make_windows(connection, missing)


def _decide(
    tables: Tables, orders: Sequence[HoldOrder], wanted: Mapping[str, list[Window]], changes: _Changes
) -> Decisions:
    touched = changes.keys() | {window.id for windows in wanted.values() for window in windows}
    used = tables.lock_windows(sorted(touched)) if touched else {}
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
            f"The budget of {_named(budget.scope)} is hard, and the most that this call can cost is not known: "
            "give the model a price, and its context window or the call an output cap."
        )
    if order.amount <= max(0, budget.limit - used):
        return None  # what costs nothing fits where more is spent than there was
    room = usd_from_nanos(max(0, budget.limit - used))
    when = "" if budget.period == "total" else f" this {budget.period}"
    return BudgetExceeded(
        f"The budget of {_named(budget.scope)} has {room} USD left{when}, and the call can cost up to "
        f"{usd_from_nanos(order.amount)} USD. Ask for less output, or raise the budget."
    )


def _named(scope: Scope) -> str:
    """As its callers may be told: what they sent themselves, and nobody's id."""
    kind, id = scope
    return f"the tag {id!r}" if kind == "tag" else f"this {kind}"
