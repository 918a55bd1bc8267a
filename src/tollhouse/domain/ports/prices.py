"""Published prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tollhouse.domain.call import Unit
from tollhouse.domain.money import Tariff


@dataclass(frozen=True, slots=True)
class Listing:
    """What a price list says of a model. Unknown is None; the rest is as in `Target`."""

    tariff: Tariff | None
    context_window: int | None
    media_tariff: Tariff | None = None
    unit_prices: Mapping[Unit, int] = field(default_factory=dict)


class PriceList(Protocol):
    """Published prices."""

    def vendor_of(self, base_url: str) -> str | None:
        """The vendor whose host this is, where the list knows it."""

    def find(self, vendor: str, model: str) -> Listing | None:
        """What the list knows of the model at this vendor."""

    def models(self, vendor: str) -> Sequence[str]:
        """The models that the list knows of this vendor."""
