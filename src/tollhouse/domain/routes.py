"""Where a call may go: providers, targets, and the candidates that a model's name stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollhouse.domain.call import Facts, Unit
from tollhouse.domain.limits import Limit
from tollhouse.domain.money import FREE, Rates, Tariff
from tollhouse.domain.principal import Scope


@dataclass(frozen=True, slots=True)
class Host:
    """A provider as a call needs it: where it is, what it speaks, and the secret it is called with.

    `preset` names the file in `providers/` that knows its paths and headers; `vendor` is whose
    published prices hold there, where somebody has said so.
    """

    id: str
    name: str
    preset: str
    base_url: str
    credential: str | None = field(default=None, repr=False)
    allow_private: bool = False
    vendor: str | None = None


@dataclass(frozen=True, slots=True)
class Manners:
    """How a host wants a chat body: where that says how many tokens may come out, and whether it asks for the usage.
    And whether a host of Responses gives thoughts away encrypted, to have them back in the next turn.

    `refuses` is what no translation puts in, because the host has it not; `breakpoints` says that its newer models take
    cache marks as OpenAI has them.
    """

    output_cap_field: str = "max_tokens"
    takes_stream_options: bool = True
    encrypts_thoughts: bool = False
    refuses: frozenset[str] = frozenset()
    breakpoints: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one host: what a call can be sent to. `tariff` is None where no price is known.

    `context_window`, `max_output` are in tokens, None where the catalogue does not know. `media_tariff` is that
    of the tokens of calls that have a unit, where images and sound cost more than text; `unit_prices` are by unit,
    in nano-dollars per million thousandths.
    """

    model: str
    upstream_model: str
    host: Host
    tariff: Tariff | None
    context_window: int | None = None
    max_output: int | None = None
    default_output_cap: int = 4096
    formats: frozenset[str] = frozenset()
    media_tariff: Tariff | None = None
    unit_prices: Mapping[Unit, int] = field(default_factory=dict)

    def rates(self, facts: Facts) -> Rates:
        """What such a call is priced by here."""
        if facts.free:
            return _FREE
        if facts.unit is None:
            return Rates(self.tariff)
        return Rates(self.media_tariff or self.tariff, self.unit_prices.get(facts.unit))


_FREE = Rates(FREE)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every route at one version of the database. A call uses one catalogue from start to end."""

    version: int
    routes: Mapping[str, tuple[Target, ...]]
    created: Mapping[str, int]
    """Unix seconds at which each model was added, as `/v1/models` shows it."""
    limits: Mapping[Scope, Limit] = field(default_factory=dict)
