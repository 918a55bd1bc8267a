"""Lines are held, under all budgets, before any of them is sent."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tollhouse import crash_points
from tollhouse.domain.errors import BudgetExceeded, NoProviderBatch, TollhouseError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ledger import HoldOrder, Settlement
from tollhouse.domain.principal import Principal
from tollhouse.domain.tags import together
from tollhouse.services.batches.handover.lines import CHUNK, HandedLines, hold_id
from tollhouse.services.batches.handover.wording import LineCalls
from tollhouse.services.batches.lines import Line, Result
from tollhouse.services.calls.admission import order_of
from tollhouse.services.routing.requirements import cannot
from tollhouse.store.ledger.bulk import BulkLedger
from tollhouse.store.records import HandoverRecord
from tollhouse.wire.batch import not_made


@dataclass(frozen=True, slots=True)
class Gathered:
    """How far it got: `whole` where no more lines belong to it, `refusal` where a budget has no room for the next."""

    whole: bool
    refusal: BudgetExceeded | None = None


@dataclass(slots=True)
class _Chunk:
    orders: list[tuple[Line, HoldOrder, int, int]] = field(default_factory=list)
    unfit: list[tuple[Line, str]] = field(default_factory=list)
    size: int = 0
    weight: int = 0
    last: int = 0
    full: bool = False


class Gathering:
    """Goes on where it was left: a hold's id is told by its line, and so no line is held twice."""

    def __init__(self, lines: HandedLines, ledger: BulkLedger) -> None:
        self._lines = lines
        self._ledger = ledger

    def capped(self, principal: Principal, model: str, tags: Sequence[str]) -> bool:
        """Whether lines of this model get an output cap, for there is a hard budget."""
        return self._ledger.has_hard_budget(principal.scopes(model, together(principal.tags, tuple(tags))))

    def gather(
        self,
        part: HandoverRecord,
        calls: LineCalls,
        principal: Principal,
        handed_to: int,
        until: float,
        *,
        strict: bool,
    ) -> Gathered:
        """Hold lines, until that monotonic second. Where it is `strict`, one that the provider's model cannot take ends
        with that; else it is left to be called here. Raises what the database raises.
        """
        size, weight, lines = part.size, part.weight, part.lines
        while time.monotonic() < until:
            most = min(CHUNK, calls.interface.most_lines - lines)
            waiting = self._lines.waiting(part.batch_id, handed_to, most) if most else ()
            if not waiting:
                return Gathered(whole=True)
            chunk = self._chunk(part, calls, principal, waiting, size, weight)
            refusal, held = self._hold(part, chunk)
            unfit = [(line, why) for line, why in chunk.unfit if refusal is None or line.number <= held.last]
            numbers = [line.number for line, _, _, _ in held.orders]
            if strict:
                numbers += [line.number for line, _ in unfit]
            handed_to = max([held.last, *(line.number for line, _ in unfit)], default=handed_to) or handed_to
            counted = {"lines": len(held.orders), "size": held.size, "weight": held.weight}
            self._lines.mark(part, numbers, handed_to, **counted)
            if strict and unfit:
                self._lines.finish(part, [_refused(line, why) for line, why in unfit])
            size, weight, lines = size + held.size, weight + held.weight, lines + len(held.orders)
            if refusal is not None:
                return Gathered(whole=False, refusal=refusal)
            if chunk.full:
                return Gathered(whole=True)
        return Gathered(whole=False)

    def let_go(self, part_id: str) -> None:
        """Of all that is still held for it."""
        while ids := self._lines.all_held(part_id, CHUNK):
            self._ledger.settle([Settlement(id) for id in ids])

    def _chunk(
        self,
        part: HandoverRecord,
        calls: LineCalls,
        principal: Principal,
        waiting: Sequence[Line],
        size: int,
        weight: int,
    ) -> _Chunk:
        """What is to be held of these lines, as far as there is room in what the provider takes at once."""
        interface, chunk = calls.interface, _Chunk()
        for line in waiting:
            try:
                call = calls.call(line)
                if why := cannot(call, calls.target):
                    chunk.unfit.append((line, f"{calls.target.host.name} {why}"))
                    continue
                choice = calls.choice(call)
                tags = together(principal.tags, call.tags)
                id = hold_id(part.id, line)
                order, _ = order_of(principal, tags, call, [choice], 1, capped=part.capped, id=id)
                long = len(calls.written(line, call, choice)) + len(interface.between)
            except TollhouseError as error:
                chunk.unfit.append((line, error.message))
                continue
            count = interface.inputs(call.body)
            if long > interface.most_bytes or count > interface.most_inputs:
                chunk.unfit.append((line, "the line is larger than all that the provider takes at once"))
                continue
            if size + chunk.size + long > interface.most_bytes or weight + chunk.weight + count > interface.most_inputs:
                chunk.full = True
                break
            chunk.orders.append((line, order, long, count))
            chunk.size, chunk.weight = chunk.size + long, chunk.weight + count
        return chunk

    def _hold(self, part: HandoverRecord, chunk: _Chunk) -> tuple[BudgetExceeded | None, _Chunk]:
        """Held are those up to the first for which there is no room."""
        there = self._lines.held(part.id, [order.id for _, order, _, _ in chunk.orders])
        orders = [order for _, order, _, _ in chunk.orders if order.id not in there]
        decisions = self._ledger.hold(part.id, orders) if orders else {}
        crash_points.reach("handover_held")
        held, refusal = _Chunk(), None
        behind: list[Settlement] = []
        for line, order, long, count in chunk.orders:
            decision = decisions.get(order.id, ())
            if refusal is None and isinstance(decision, BudgetExceeded):
                refusal = decision
            elif refusal is None:
                held.orders.append((line, order, long, count))
                held.size, held.weight, held.last = held.size + long, held.weight + count, line.number
            elif not isinstance(decision, BudgetExceeded):
                behind.append(Settlement(order.id))
        if behind:
            self._ledger.settle(behind)
        return refusal, held


def _refused(line: Line, why: str) -> Result:
    why = f"The line cannot be handed over to its provider: {why.rstrip('.')}."
    text = not_made(new_id("batch_req"), line.custom_id, NoProviderBatch.code, why)
    return Result(line, succeeded=False, text=text)
