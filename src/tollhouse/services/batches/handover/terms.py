"""Under what terms lines were held, kept with their handover: prices may change while they are at the provider."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from tollhouse.domain.money import Prices, Tariff
from tollhouse.domain.routes import Host, Target


@dataclass(frozen=True, slots=True)
class Terms:
    """What of a target decides what a line may cost. Prices are those without the discount, which is in percent."""

    model: str
    upstream_model: str
    tariff: Tariff | None
    batch_discount: int
    context_window: int | None
    max_output: int | None
    default_output_cap: int

    @classmethod
    def of(cls, target: Target, model: str) -> Self:
        """`model` is the name that the calls are booked by."""
        return cls(
            model,
            target.upstream_model,
            target.tariff,
            target.batch_discount,
            target.context_window,
            target.max_output,
            target.default_output_cap,
        )

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """What `written` gave."""
        tariff = document["tariff"]
        if tariff is not None:
            steps = tuple((above, Prices(**prices)) for above, prices in tariff["steps"])
            tariff = Tariff(Prices(**tariff["base"]), steps)
        return cls(**{**document, "tariff": tariff})

    def written(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def target(self, host: Host, format: str) -> Target:
        """As the calls were held for it."""
        return Target(
            model=self.model,
            upstream_model=self.upstream_model,
            host=host,
            tariff=self.tariff,
            context_window=self.context_window,
            max_output=self.max_output,
            default_output_cap=self.default_output_cap,
            formats=frozenset({format}),
            batch_discount=self.batch_discount,
        )
