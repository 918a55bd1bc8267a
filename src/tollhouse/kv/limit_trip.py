"""One trip to Redis for all calls of a turn: what is sent, and what it answers. `limiter.lua` is the other side."""

from collections.abc import Iterable, Mapping, Sequence

from tollhouse.domain.limits import Kind, Level, Limit, LimitOrder, Refusal, Standing, Taken, Verdict
from tollhouse.domain.values import value
from tollhouse.wire import json_text

KINDS: tuple[Kind, ...] = ("requests", "tokens", "concurrency")


@value
class Ended:
    """A call that is over, and what to add to what it took at `tick`; None where Redis does not know when."""

    order: LimitOrder
    tick: int | None = None
    requests: int = 0
    tokens: int = 0


class Trip:
    """`payload` is what is sent. `arrears` are requests and tokens that were let in while Redis was away."""

    def __init__(
        self,
        orders: Sequence[LimitOrder],
        ended: Iterable[Ended] = (),
        renewed: Iterable[LimitOrder] = (),
        arrears: Mapping[Limit, tuple[int, int]] | None = None,
    ) -> None:
        self._orders = orders
        self._limits: list[Limit] = []
        self._numbers: dict[int, int] = {}
        """By the identity of the limit, which the orders keep alive: from 1, as the script counts."""
        parts = (
            [_ended(one, self._numbered(one.order)) for one in ended],
            self._renewed(renewed),
            [[self._number(limit), *sums] for limit, sums in (arrears or {}).items()],
            [[order.id, order.least, order.most, *self._numbered(order)] for order in orders],
        )
        self.payload = json_text.write(([_row(limit) for limit in self._limits], *parts))

    def verdicts(self, answer: bytes, local_tick: int) -> list[Verdict]:
        """One for each order, in their order."""
        if not self._orders:
            return []
        lines = answer.split(b";")
        return [self._verdict(order, line, local_tick) for order, line in zip(self._orders, lines, strict=True)]

    def _numbered(self, order: LimitOrder) -> list[int]:
        return [self._number(limit) for limit in order.limits]

    def _number(self, limit: Limit) -> int:
        number = self._numbers.get(id(limit))
        if number is None:
            self._limits.append(limit)
            number = self._numbers[id(limit)] = len(self._limits)
        return number

    def _renewed(self, orders: Iterable[LimitOrder]) -> list[list[int | str]]:
        by_limit: dict[int, list[int | str]] = {}
        for order in orders:
            for limit in order.limits:
                if limit.concurrency is not None:
                    number = self._number(limit)
                    by_limit.setdefault(number, [number]).append(order.id)
        return list(by_limit.values())

    def _verdict(self, order: LimitOrder, line: bytes, local_tick: int) -> Verdict:
        taken, first, second, wait, *levels = map(int, line.split(b","))
        standing = Standing(self._level(levels, 0), self._level(levels, 3))
        if taken:
            return Taken(order, standing, second, first, local_tick)
        return Refusal(self._limits[second - 1], KINDS[first], None if wait < 0 else wait, standing)

    def _level(self, levels: Sequence[int], at: int) -> Level | None:
        number, remaining, reset = levels[at : at + 3]
        if not number:
            return None
        limit = self._limits[number - 1]
        return Level((limit.tpm if at else limit.rpm) or 0, remaining, reset)


def _row(limit: Limit) -> tuple[str, int, int, int]:
    rpm, tpm, concurrency = (-1 if most is None else most for most in (limit.rpm, limit.tpm, limit.concurrency))
    return limit.name, rpm, tpm, concurrency


def _ended(one: Ended, numbers: list[int]) -> list[int | str]:
    return [one.order.id, -1 if one.tick is None else one.tick, one.requests, one.tokens, *numbers]
