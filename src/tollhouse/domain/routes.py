"""Where a call may go: providers, targets, and the candidates that a model's name stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from tollhouse.domain.caching import Similarity
from tollhouse.domain.call import Facts, Unit
from tollhouse.domain.limits import Limit
from tollhouse.domain.money import FREE, Rates, Tariff
from tollhouse.domain.principal import Scope


@dataclass(frozen=True, slots=True)
class HostKey:
    """One of the several secrets that a provider may be called with."""

    id: str
    name: str
    credential: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Host:
    """A provider as a call needs it: where it is, what it speaks, and the secret it is called with.

    `preset` names the file in `providers/` that knows its paths and headers; `vendor` is whose
    published prices hold there, where somebody has said so. Where there are several `keys`, `credential` is the first.
    """

    id: str
    name: str
    preset: str
    base_url: str
    credential: str | None = field(default=None, repr=False)
    allow_private: bool = False
    vendor: str | None = None
    keys: tuple[HostKey, ...] = field(default=(), hash=False)
    """All of them where there are several, between which each call chooses; else none."""


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


Strategy = Literal["ordered", "weighted", "least_busy", "lowest_latency", "cheapest"]
"""How those of one priority are put in order."""
Sticky = Literal["session", "user", "key"]
"""By what a caller's calls stay at one deployment."""
Capability = Literal["images", "audio", "tools", "schema"]
"""What a call may need that not every model has."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a model's calls may wait upstream, in seconds; None for as long as the settings say."""

    connect: float | None = None
    first_byte: float | None = None
    idle: float | None = None
    total: float | None = None


AS_SET = Timeouts()


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one host, a deployment: what a call can be sent to. `tariff` is None where no price is known.

    `context_window`, `max_output` are in tokens, None where the catalogue does not know. `media_tariff` is that
    of the tokens of calls that have a unit, where images and sound cost more than text; `unit_prices` are by unit,
    in nano-dollars per million thousandths.

    `deployment` is the id by which it is watched; the lowest `priority` goes first, and `weight` says how often it is
    the first of those. `lacks` is what the catalogue says that it cannot do. `limit` is its own. `batch_discount` is in
    percent.
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
    deployment: str = ""
    weight: int = 1
    priority: int = 0
    lacks: frozenset[Capability] = frozenset()
    limit: Limit | None = None
    batch_discount: int = 0
    timeouts: Timeouts = AS_SET

    def rates(self, facts: Facts) -> Rates:
        """What such a call is priced by here."""
        if facts.batched and self.batch_discount:
            return self.rates(replace(facts, batched=False)).less(self.batch_discount)
        if facts.free:
            return _FREE
        if facts.unit is None:
            return Rates(self.tariff)
        return Rates(self.media_tariff or self.tariff, self.unit_prices.get(facts.unit))


_FREE = Rates(FREE)


@dataclass(frozen=True, slots=True)
class Stage:
    """Targets between which a strategy chooses: all are tried before the next stage is.

    `names` are those of the other model that the route leads to here, and its aliases: a key that may use none of them
    does not get there. None for the model's own deployments, which whoever may use the route may use.
    """

    targets: tuple[Target, ...]
    strategy: Strategy = "ordered"
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """All that a model's name stands for: its own deployments by priority, then those of its fallbacks.

    `name` is what it is limited and booked as, whatever alias it was called by. What a provider refuses as too long,
    or for what it says, goes to the stages that are for that.
    """

    name: str
    stages: tuple[Stage, ...]
    sticky: Sticky | None = None
    for_longer: tuple[Stage, ...] = ()
    for_refused: tuple[Stage, ...] = ()
    lone: Target | None = None
    """The target, where there is one and no more: then there is nothing to put in order."""
    cache_seconds: int | None = None
    """How long replies are kept; None where each call says, 0 for never."""
    similar: Similarity | None = None
    """When one is given to who asks otherwise; None for never."""

    @classmethod
    def of(
        cls,
        name: str,
        stages: tuple[Stage, ...],
        sticky: Sticky | None = None,
        for_longer: tuple[Stage, ...] = (),
        for_refused: tuple[Stage, ...] = (),
        cache_seconds: int | None = None,
        similar: Similarity | None = None,
    ) -> "Route":
        """The stages have at least one target."""
        targets = [target for stage in stages for target in stage.targets]
        lone = targets[0] if len(targets) == 1 else None
        return cls(name, stages, sticky, for_longer, for_refused, lone, cache_seconds, similar)

    @property
    def targets(self) -> tuple[Target, ...]:
        """All of them, as they are listed."""
        return tuple([target for stage in self.stages for target in stage.targets])


class Wildcard(Protocol):
    """A name that ends in `*`, and stands for all that begin like it."""

    name: str

    def route(self, asked: str) -> Route | None:
        """What the name that was asked for stands for; None where it does not begin so."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every route at one version of the database. A call uses one catalogue from start to end."""

    version: int
    routes: Mapping[str, Route]
    """By name, and by each alias."""
    created: Mapping[str, int]
    """Unix seconds at which each model was added, as `/v1/models` shows it."""
    limits: Mapping[Scope, Limit] = field(default_factory=dict)
    wildcards: tuple[Wildcard, ...] = ()
    """The longest first."""
    keeping: frozenset[str] = frozenset()
    """The teams that keep what is asked and answered."""

    def route(self, name: str) -> Route | None:
        if (route := self.routes.get(name)) is not None:
            return route
        return next((route for wildcard in self.wildcards if (route := wildcard.route(name)) is not None), None)
