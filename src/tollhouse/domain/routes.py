"""Where a call may go: providers, targets, and the candidates that a model's name stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollhouse.domain.money import Tariff


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
    """

    output_cap_field: str = "max_tokens"
    takes_stream_options: bool = True
    encrypts_thoughts: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one host: what a call can be sent to. `tariff` is None where no price is known.

    `context_window`, `max_output` are in tokens, None where the catalogue does not know.
    """

    model: str
    upstream_model: str
    host: Host
    tariff: Tariff | None
    context_window: int | None = None
    max_output: int | None = None
    default_output_cap: int = 4096
    formats: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every route at one version of the database. A call uses one catalogue from start to end."""

    version: int
    routes: Mapping[str, tuple[Target, ...]]
    created: Mapping[str, int]
    """Unix seconds at which each model was added, as `/v1/models` shows it."""
