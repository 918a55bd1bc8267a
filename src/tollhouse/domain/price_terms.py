"""What is said of a model's prices beyond those of its input and output. Prices are as in `Prices`."""

from dataclasses import dataclass, replace

from tollhouse.domain.money import Prices, Tariff


@dataclass(frozen=True, slots=True)
class LongContext:
    """The prices of a prompt of more than `above` tokens; all of it, as vendors bill. What is None follows `input`."""

    above: int
    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """Said of a model over whatever else its tariff is of; None and empty leave that as it is.

    `batch_discount` is in percent, of what goes to the provider's own batch interface.
    """

    cached_input: int | None = None
    cache_write: int | None = None
    batch_discount: int = 0
    long_context: tuple[LongContext, ...] = ()

    def over(self, tariff: Tariff) -> Tariff:
        """The tariff with what is said here in place of what it says."""
        base = replace(
            tariff.base,
            cache_read=tariff.base.cache_read if self.cached_input is None else self.cached_input,
            cache_write=tariff.base.cache_write if self.cache_write is None else self.cache_write,
        )
        steps = tuple((step.above, _prices(step, base)) for step in self.long_context)
        return Tariff(base, steps or tariff.steps)


PLAIN = PriceTerms()


def _prices(step: LongContext, base: Prices) -> Prices:
    """Where a step does not say what its cache costs, it is the dearer side to be wrong on: reading is at the price of
    input, and writing as much above that as it is below the step.
    """
    write = step.cache_write
    if write is None:
        write = max(step.input, base.cache_write)
        if base.input:
            write = max(write, -(-step.input * base.cache_write // base.input))
    read = step.input if step.cached_input is None else step.cached_input
    return Prices(step.input, read, write, step.output)
