"""Money: whole nano-dollars (10^-9 USD), never a float.

Unit prices are whole nano-dollars per million tokens, so that a price list's "USD per million
tokens" is kept exactly to nine decimals.
"""

import re
from dataclasses import dataclass

from tollhouse.domain.usage import Usage
from tollhouse.domain.values import value

NANOS_PER_USD = 1_000_000_000
MILLION = 1_000_000

_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Prices:
    """Unit prices of one model, in nano-dollars per million tokens.

    `unit` is per million thousandths of what else the call counts, None where that is not what it is priced by.
    """

    input: int
    cache_read: int
    cache_write: int
    output: int
    unit: int | None = None

    @property
    def dearest_input(self) -> int:
        """The most that a token of input can cost, cached or not."""
        return max(self.input, self.cache_read, self.cache_write)

    def cost(self, usage: Usage) -> int:
        """Nano-dollars, rounded up once a call: so a cost never exceeds a bound made the same way."""
        parts = (
            usage.input * self.input
            + usage.cache_read * self.cache_read
            + usage.cache_write * self.cache_write
            + usage.output * self.output
            + usage.units * (self.unit or 0)
        )
        return -(-parts // MILLION)

    def less(self, percent: int) -> "Prices":
        """With a discount, each rounded up: so a cost is exact again from the prices that were used."""
        rest = 100 - percent
        return Prices(
            -(-self.input * rest // 100),
            -(-self.cache_read * rest // 100),
            -(-self.cache_write * rest // 100),
            -(-self.output * rest // 100),
            None if self.unit is None else -(-self.unit * rest // 100),
        )


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of a model, by how long the prompt is: `steps` are (above this many tokens, prices)."""

    base: Prices
    steps: tuple[tuple[int, Prices], ...] = ()

    def prices_for(self, prompt_tokens: int) -> Prices:
        """The prices of a prompt of this length; of the whole prompt, as vendors bill long context."""
        chosen = self.base
        for above, prices in self.steps:
            if prompt_tokens > above:
                chosen = prices
        return chosen

    def most(self, prompt_tokens: int, output_tokens: int) -> int:
        """Nano-dollars that a prompt of at most, and an output of at most, so many tokens can cost."""
        dearest_in, dearest_out = self.base.dearest_input, self.base.output
        for above, prices in self.steps:
            if prompt_tokens > above:
                dearest_in = max(dearest_in, prices.dearest_input)
                dearest_out = max(dearest_out, prices.output)
        return -(-(prompt_tokens * dearest_in + output_tokens * dearest_out) // MILLION)

    def less(self, percent: int) -> "Tariff":
        """With a discount on every price."""
        return Tariff(self.base.less(percent), tuple((above, prices.less(percent)) for above, prices in self.steps))


FREE = Tariff(Prices(0, 0, 0, 0))


@value
class Rates:
    """What one call is priced by at one host: its tokens where it has any and their price is known, else its
    units. What is not known is None. `unit` is in nano-dollars per million thousandths.
    """

    tokens: Tariff | None
    unit: int | None = None

    def less(self, percent: int) -> "Rates":
        """With a discount on every price."""
        unit = None if self.unit is None else -(-self.unit * (100 - percent) // 100)
        return Rates(self.tokens.less(percent) if self.tokens else None, unit)

    @property
    def known(self) -> bool:
        """Whether there is any price."""
        return self.tokens is not None or self.unit is not None

    def prices_for(self, usage: Usage) -> Prices | None:
        """The prices of what was used, None where they are not known."""
        if self.tokens is not None and (usage.prompt or usage.output or not usage.units):
            return self.tokens.prices_for(usage.prompt)
        return None if self.unit is None else Prices(0, 0, 0, 0, self.unit)

    def cost(self, usage: Usage) -> int | None:
        """Nano-dollars, None where the price is not known."""
        prices = self.prices_for(usage)
        return prices.cost(usage) if prices else None


def nanos_from_usd(text: str) -> int:
    """'0.15' -> 150000000. ValueError for what is not a plain amount of at most nine decimals, from 0 up."""
    amount = _AMOUNT.fullmatch(text.strip())
    if amount is None:
        raise ValueError(f"{text!r} is not an amount of US dollars from 0 up")
    whole, part = amount[1].lstrip("0") or "0", (amount[2] or "").rstrip("0")
    if len(part) > 9:
        raise ValueError(f"{text!r} has more than nine decimals")
    nanos = int(whole) * NANOS_PER_USD + int(part.ljust(9, "0")) if len(whole) <= 10 else 2**63
    if nanos >= 2**63:
        raise ValueError(f"{text!r} is more US dollars than can be booked")
    return nanos


def usd_from_nanos(nanos: int) -> str:
    """150000000 -> '0.15': a plain decimal string, exact, without trailing zeros."""
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    whole, part = divmod(nanos, NANOS_PER_USD)
    return f"{sign}{whole}" + (f".{part:09d}".rstrip("0") if part else "")
