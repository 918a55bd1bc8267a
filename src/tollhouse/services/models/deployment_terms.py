"""What is said of a deployment besides where it is: how often it is chosen, what it cannot do, how much it may have."""

from dataclasses import dataclass
from typing import Any, get_args

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.routes import Capability
from tollhouse.store.records import DeploymentRecord, RouteRecord

MOST_WEIGHT = 1_000_000
MOST_PRIORITY = 1000
MOST = 10**12
DEAREST = 10**15
"""The highest unit price: what the longest prompt costs must still be a 64-bit number of nano-dollars."""
CAPABILITIES: tuple[str, ...] = get_args(Capability)


@dataclass(frozen=True, slots=True)
class Terms:
    """`weight` says how often it is the first of its `priority`, 0 for after all others; the lowest priority goes
    first. `lacks` is what it cannot do. Its own limits are a minute's, None for none.
    """

    weight: int = 1
    priority: int = 0
    lacks: tuple[str, ...] = ()
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None

    @classmethod
    def of(cls, row: RouteRecord | DeploymentRecord) -> "Terms":
        return cls(row.weight, row.priority, tuple(row.lacks), row.rpm, row.tpm, row.concurrency)

    def columns(self) -> dict[str, Any]:
        return {
            "weight": self.weight,
            "priority": self.priority,
            "lacks": list(self.lacks),
            "rpm": self.rpm,
            "tpm": self.tpm,
            "concurrency": self.concurrency,
        }


PLAIN = Terms()


def check_terms(terms: Terms) -> None:
    """InvalidField names what is wrong."""
    if not 0 <= terms.weight <= MOST_WEIGHT:
        raise InvalidField(f"weight: it must be from 0 to {MOST_WEIGHT}.", param="weight")
    if not 0 <= terms.priority <= MOST_PRIORITY:
        raise InvalidField(f"priority: it must be from 0, the first, to {MOST_PRIORITY}.", param="priority")
    for lacking in terms.lacks:
        if lacking not in CAPABILITIES:
            raise InvalidField(f"lacks: {lacking!r} is none of {', '.join(CAPABILITIES)}.", param="lacks")
    for field, most in (("rpm", terms.rpm), ("tpm", terms.tpm), ("concurrency", terms.concurrency)):
        if most is not None and not 1 <= most <= MOST:
            raise InvalidField(f"{field}: it must be a whole number from 1 to {MOST}.", param=field)


def check_prices(
    input_price: int | None, output_price: int | None, context_window: int | None, max_output: int | None
) -> None:
    """InvalidField names what is wrong."""
    if (input_price is None) != (output_price is None):
        missing = "output-price" if output_price is None else "input-price"
        raise _invalid(missing, "give both prices, or neither to take the published ones.")
    for field, price in (("input-price", input_price), ("output-price", output_price)):
        if price is not None and not 0 <= price <= DEAREST:
            raise _invalid(field, "it must be from 0 to 1000000 USD per million tokens.")
    for field, value in (("context-window", context_window), ("max-output", max_output)):
        if value is not None and not 0 < value < 2**31:
            raise _invalid(field, "it must be a number of tokens from 1 up.")


def _invalid(option: str, problem: str) -> InvalidField:
    """Said as the command line calls the field, and named as bodies and files do."""
    return InvalidField(f"{option}: {problem}", param=option.replace("-", "_"))
