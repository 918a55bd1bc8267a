"""`[routes.NAME]`: how the calls of a model find their way, and its deployments beside its own."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.money import nanos_from_usd, usd_from_nanos
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.models.deployment_terms import Terms
from tollhouse.services.models.deployments import Deployment, Deployments, NewDeployment
from tollhouse.services.models.models import Models
from tollhouse.services.models.routes import TIMEOUTS, Routes, RouteTerms

_PRICES = ("input_price", "output_price")
_TERMS = tuple(field.name for field in fields(Terms))
_ROUTE = tuple(field.name for field in fields(RouteTerms) if field.name != "terms")
_SITE = tuple(field.name for field in fields(NewDeployment) if field.name != "terms")
_DEFAULTS: Mapping[str, Any] = {
    **{field.name: field.default for field in fields(RouteTerms)},
    **{field.name: field.default for field in fields(Terms)},
}


class RoutesSection:
    name = "routes"
    listed = False

    def __init__(self, routes: Routes, deployments: Deployments, models: Models) -> None:
        self._routes = routes
        self._deployments = deployments
        self._models = models

    def given(self, part: Any) -> Mapping[str, Entry]:
        upstream, current = self._upstream_names(), self.current()
        entries = {name: _given(name, stated, upstream.get(name)) for name, stated in part.items()}
        # What says nothing of a route of which nothing is said is no change.
        return {name: entry for name, entry in entries.items() if entry or name in current}

    def current(self) -> Mapping[str, Entry]:
        sites: dict[str, list[Entry]] = {}
        upstream = self._upstream_names()
        for one in self._deployments.all():
            sites.setdefault(one.model, []).append(_site(one, upstream[one.model]))
        routes = self._routes.all()
        found = {name: _entry(routes.get(name), sites.get(name, [])) for name in sorted({*routes, *sites})}
        return {name: entry for name, entry in found.items() if entry}

    def _upstream_names(self) -> dict[str, str]:
        """What each model is called at its own host, and so at others that say nothing else."""
        return {model.name: model.upstream_model for model in self._models.all()}

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        for change in changes:
            entry = change.after
            self._routes.set(change.name, _route(entry), by=by)
            self._deployments.set_all(change.name, [_new(site) for site in entry.get("deployments", ())], by=by)


def _given(name: str, stated: Mapping[str, Any], upstream: str | None) -> Entry:
    entry = _without_defaults(stated) | {field: _seconds(name, field, stated) for field in TIMEOUTS if field in stated}
    sites = []
    for number, site in enumerate(stated.get("deployments", ())):
        where = f"routes.{name}.deployments[{number}]"
        prices = {field: _price(f"{where}.{field}", site[field]) for field in _PRICES if field in site}
        sites.append(_named({**_without_defaults(site), **prices}, upstream))
    return {**entry, **({"deployments": sites} if sites else {})}


def _seconds(name: str, field: str, stated: Mapping[str, Any]) -> float:
    """A decimal, as it was written."""
    try:
        return float(stated[field])
    except ValueError:
        where = f"routes.{name}.{field}"
        raise InvalidField(f"{where}: {stated[field]!r} is no number of seconds.", param=where) from None


def _price(where: str, given: Any) -> str:
    """As it is exported, whatever way it is written."""
    try:
        return usd_from_nanos(nanos_from_usd(str(given)))
    except ValueError as error:
        raise InvalidField(f"{where}: {error}.", param=where) from None


def _entry(route: RouteTerms | None, sites: Sequence[Entry]) -> Entry:
    route = route or RouteTerms()
    own = {name: getattr(route, name) for name in _ROUTE} | {name: getattr(route.terms, name) for name in _TERMS}
    return {**_without_defaults(own), **({"deployments": list(sites)} if sites else {})}


def _site(one: Deployment, upstream: str) -> Entry:
    prices = {field: usd_from_nanos(nanos) for field in _PRICES if (nanos := getattr(one, field)) is not None}
    plain = {name: getattr(one, name) for name in _SITE if name not in _PRICES}
    return _named(_without_defaults(plain | prices | {name: getattr(one.terms, name) for name in _TERMS}), upstream)


def _named(site: dict[str, Any], upstream: str | None) -> Entry:
    """Without its name where it is that of the model."""
    if site.get("upstream_model") == upstream:
        site.pop("upstream_model", None)
    return site


def _without_defaults(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in stated.items()
        if name != "deployments" and value not in (None, _DEFAULTS.get(name), [], ())
    }


def _route(entry: Entry) -> RouteTerms:
    given = {name: _frozen(entry[name]) for name in _ROUTE if name in entry}
    return RouteTerms(**given, terms=_terms(entry))


def _new(site: Entry) -> NewDeployment:
    given: dict[str, Any] = {name: site[name] for name in _SITE if name in site}
    given |= {name: nanos_from_usd(site[name]) for name in _PRICES if name in site}
    return NewDeployment(**given, terms=_terms(site))


def _terms(entry: Entry) -> Terms:
    return Terms(**{name: _frozen(entry[name]) for name in _TERMS if name in entry})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
