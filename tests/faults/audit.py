"""The audit that ends every test of a fault: each call is booked once, at what it cost, and nothing is left held."""

import time
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select

from tests.faults.client import MODEL, number_of
from tests.faults.gateway import INPUT_PRICE, OUTPUT_PRICE, Gateway
from tollhouse.domain.ledger import PROCESS_DIED
from tollhouse.store.records import BudgetWindowRecord, HoldRecord, LedgerRecord

LEASE_SECONDS = 60.0
"""How long a hold may outlive its process."""


@dataclass
class Booked:
    """What the ledger says of one call, corrections added in."""

    number: int
    outcome: str
    estimated: bool
    input: int
    output: int
    cost: int
    rows: int


@dataclass
class Audit:
    """What was found; `seconds` until nothing was held."""

    booked: dict[int, Booked]
    free: list[Booked]
    """Attempts that cost nothing: their calls cannot be told apart, and need not be."""
    seconds: float


def audit(gateway: Gateway, *, within: float = LEASE_SECONDS, unsent: int = 0) -> Audit:
    """Wait until nothing is held, then compare the ledger with what the upstream saw, and with the budget.

    `unsent` is how many calls were in flight at a kill: so many rows may be of calls that the upstream never saw.
    """
    seconds = _until_nothing_is_held(gateway, within)
    calls = calls_of(gateway)
    free = [call for call in calls if not call.cost]
    paid = [call for call in calls if call.cost]
    assert all(call.outcome != "ok" for call in free), free

    times = Counter(call.number for call in paid)
    assert {number: times for number, times in times.items() if times > 1} == {}, "booked more than once"
    booked = {call.number: call for call in paid}
    seen = Counter(call.number for call in gateway.upstream.calls)
    assert {number: times for number, times in seen.items() if times > 1} == {}, "sent more than once"
    missing = seen.keys() - booked.keys()
    assert not missing, f"the upstream saw {sorted(missing)}, which are not in the ledger; free: {free}"
    more = [booked[number] for number in booked.keys() - seen.keys()]
    assert all(call.estimated and call.outcome == PROCESS_DIED for call in more), more
    assert len(more) <= unsent, more

    for number in seen:
        _check_usage(booked[number], gateway)
    for call in calls:
        assert call.cost == priced(call.input, call.output), call
    spent = sum(call.cost for call in calls)
    with gateway.database.read() as session:
        of_budget = session.scalar(select(func.sum(BudgetWindowRecord.spent))) or 0
    assert of_budget == spent, "the budget's sum is not what was spent"
    waiting = [file.name for file in gateway.spool.glob("*") if file.stat().st_size]
    assert not waiting, "settlements still wait on the disk"
    return Audit(booked, free, seconds)


def priced(input_tokens: int, output_tokens: int) -> int:
    """Nano-dollars, rounded up."""
    return -(-(input_tokens * INPUT_PRICE + output_tokens * OUTPUT_PRICE) // 1_000_000)


def _check_usage(call: Booked, gateway: Gateway) -> None:
    seen = gateway.upstream.call(call.number)
    assert call.output <= len(seen.sent_at), (call, seen)
    if not call.estimated:
        assert seen.told_usage, (call, seen)
        assert call.output == len(seen.sent_at), (call, seen)


def _until_nothing_is_held(gateway: Gateway, within: float) -> float:
    began = time.monotonic()
    while True:
        with gateway.database.read() as session:
            holds = session.scalar(select(func.count()).select_from(HoldRecord))
            held = session.scalar(select(func.sum(BudgetWindowRecord.held)))
        if not holds and not held:
            return time.monotonic() - began
        assert time.monotonic() - began < within, f"{holds} holds with {held} nano-dollars after {within:g} s"
        time.sleep(0.1)


def calls_of(gateway: Gateway) -> list[Booked]:
    """What the ledger says now."""
    with gateway.database.read() as session:
        rows = session.scalars(select(LedgerRecord).where(LedgerRecord.model == MODEL).order_by(LedgerRecord.id)).all()
    of_attempt: dict[tuple[str, int], list[LedgerRecord]] = {}
    for row in rows:
        of_attempt.setdefault((row.request_id, row.attempt), []).append(row)
    calls = []
    for group in of_attempt.values():
        kinds = Counter(row.kind for row in group)
        assert kinds["call"] == 1, group
        assert kinds["adjustment"] <= 1, group
        (first,) = [row for row in group if row.kind == "call"]
        last = group[-1] if len(group) == 1 else next(row for row in group if row.kind != "call")
        tokens = sum(row.input_tokens for row in group)
        output = sum(row.output_tokens for row in group)
        cost = sum(row.cost or 0 for row in group)
        estimated = last.estimated
        calls.append(Booked(number_of(tokens), first.outcome, estimated, tokens, output, cost, len(group)))
    return calls
