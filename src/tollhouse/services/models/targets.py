"""Targets, of the rows that say where a model is and of what is published about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from tollhouse.domain.call import Unit
from tollhouse.domain.limits import Limit
from tollhouse.domain.money import Prices, Tariff
from tollhouse.domain.ports import Listing, PriceList, Upstreams
from tollhouse.domain.price_terms import PLAIN, PriceTerms
from tollhouse.domain.routes import AS_SET, Host, Target, Timeouts
from tollhouse.store.records import DeploymentRecord, ModelRecord, RouteRecord
from tollhouse.wire import FORMATS

DEFAULT_OUTPUT_CAP = 4096
DEPLOYMENT = "deployment"
"""The kind of scope of a deployment's own limits, which nobody else has."""


@dataclass(frozen=True, slots=True)
class Site:
    """A model at a host, as its row has it: the model's own, or a deployment's."""

    id: str
    upstream_model: str
    input_price: int | None
    output_price: int | None
    unit_price: int | None
    context_window: int | None
    max_output: int | None
    weight: int = 1
    priority: int = 0
    lacks: frozenset[Any] = frozenset()
    limit: Limit | None = None
    timeouts: Timeouts = AS_SET

    @classmethod
    def of_model(cls, row: ModelRecord, route: RouteRecord | None) -> "Site":
        return cls(
            row.id,
            row.upstream_model,
            row.input_price,
            row.output_price,
            row.unit_price,
            row.context_window,
            row.max_output,
            route.weight if route else 1,
            route.priority if route else 0,
            frozenset(route.lacks if route else ()),
            _limit(row.id, route) if route else None,
            _timeouts(route),
        )

    @classmethod
    def of_deployment(cls, row: DeploymentRecord, model: ModelRecord, route: RouteRecord | None) -> "Site":
        """What it does not say of itself is as at the model's own host, but for prices: they are the host's."""
        return cls(
            row.id,
            row.upstream_model,
            row.input_price,
            row.output_price,
            None,
            row.context_window or model.context_window,
            row.max_output or model.max_output,
            row.weight,
            row.priority,
            frozenset(row.lacks),
            _limit(row.id, row),
            _timeouts(route),
        )


class Targets:
    """Makes targets of sites."""

    def __init__(self, upstreams: Upstreams, prices: PriceList) -> None:
        self._upstreams = upstreams
        self._prices = prices
        self._terms: Mapping[str, PriceTerms] = {}

    def use_terms(self, terms: Mapping[str, PriceTerms]) -> None:
        """What is said of prices from here on, by the id of the site."""
        self._terms = terms

    def make(self, name: str, site: Site, host: Host, upstream_model: str) -> Target:
        """The site as a call of the model `name` needs it."""
        listing = self._listing(site, host, upstream_model)
        terms = self._terms.get(site.id, PLAIN)
        tariff = listing.tariff if listing else None
        window = site.context_window or (listing.context_window if listing else None)
        return Target(
            model=name,
            upstream_model=upstream_model,
            host=host,
            tariff=terms.over(tariff) if tariff and terms != PLAIN else tariff,
            context_window=window,
            max_output=site.max_output,
            default_output_cap=min(DEFAULT_OUTPUT_CAP, site.max_output or DEFAULT_OUTPUT_CAP),
            formats=self._upstreams.formats(host) & FORMATS.keys(),
            media_tariff=listing.media_tariff if listing else None,
            unit_prices=listing.unit_prices if listing else {},
            deployment=site.id,
            weight=site.weight,
            priority=site.priority,
            lacks=site.lacks,
            limit=site.limit,
            batch_discount=terms.batch_discount,
            timeouts=site.timeouts,
        )

    def _listing(self, site: Site, host: Host, upstream_model: str) -> Listing | None:
        """What the row says goes before what the price list says."""
        units: dict[Unit, int] = {}
        if site.unit_price is not None:
            # Of whatever a call of this model counts.
            units = dict.fromkeys(get_args(Unit), site.unit_price * 1000)
        if site.input_price is None or site.output_price is None:
            if units:
                return Listing(None, None, None, units)
            vendor = host.vendor or self._upstreams.vendor(host) or self._prices.vendor_of(host.base_url)
            return self._prices.find(vendor, upstream_model) if vendor else None
        write = site.input_price
        if "chat" not in self._upstreams.formats(host):
            # Anthropic's rule for its own models, and the dearer side to be wrong on.
            write = -(-site.input_price * 5 // 4)
        own = Tariff(Prices(site.input_price, site.input_price, write, site.output_price))
        return Listing(own, None, None, units)


def _limit(id: str, row: RouteRecord | DeploymentRecord) -> Limit | None:
    if row.rpm is None and row.tpm is None and row.concurrency is None:
        return None
    return Limit(id, (DEPLOYMENT, id), row.rpm, row.tpm, row.concurrency)


def _timeouts(route: RouteRecord | None) -> Timeouts:
    if route is None:
        return AS_SET
    return Timeouts(route.connect_seconds, route.first_byte_seconds, route.idle_seconds, route.total_seconds)
