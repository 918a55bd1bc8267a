"""Routes, of the rows: which names there are, and the stages that each stands for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tollhouse.domain.caching import DEFAULT_SIMILARITY, Similarity
from tollhouse.domain.routes import Host, Route, Stage, Target
from tollhouse.services.models.targets import Site, Targets
from tollhouse.store.records import DeploymentRecord, ModelRecord, RouteRecord

STAR = "*"
MOST_NAMES = 1000
"""That a wildcard remembers what they stand for."""


@dataclass(frozen=True, slots=True)
class _Model:
    """One model with all that belongs to it; hosts that cannot be called are left out."""

    row: ModelRecord
    route: RouteRecord | None
    sites: tuple[tuple[Site, Host], ...]


class RouteMap:
    """The routes of one version of the catalogue."""

    def __init__(
        self,
        targets: Targets,
        hosts: Mapping[str, Host],
        models: Iterable[ModelRecord],
        routes: Iterable[RouteRecord],
        deployments: Iterable[DeploymentRecord],
    ) -> None:
        """`hosts` are by the provider's id."""
        self._targets = targets
        of_model = {row.model_id: row for row in routes}
        others: dict[str, list[DeploymentRecord]] = {}
        for row in deployments:
            others.setdefault(row.model_id, []).append(row)
        self._models: dict[str, _Model] = {}
        for model in models:
            route = of_model.get(model.id)
            first = [(Site.of_model(model, route), hosts.get(model.provider_id))]
            more = [
                (Site.of_deployment(row, model, route), hosts.get(row.provider_id)) for row in others.get(model.id, ())
            ]
            sites = [(site, host) for site, host in first + more if host is not None]
            if sites:
                self._models[model.name] = _Model(model, route, tuple(sites))

    def named(self) -> dict[str, Route]:
        """By name and by alias; an alias that is a model's name too is that model."""
        routes = {name: self._route(name, model) for name, model in self._models.items() if not name.endswith(STAR)}
        for name, model in self._models.items():
            for alias in model.route.aliases if model.route and name in routes else ():
                routes.setdefault(alias, routes[name])
        return routes

    def wildcards(self) -> tuple["WildcardRoute", ...]:
        found = [WildcardRoute(self, name) for name in self._models if name.endswith(STAR)]
        return tuple(sorted(found, key=lambda one: -len(one.name)))

    def created(self) -> dict[str, int]:
        """When each name was added, in Unix seconds; an alias with its model."""
        moments: dict[str, int] = {}
        for name, model in self._models.items():
            for known in (name, *(model.route.aliases if model.route else ())):
                moments.setdefault(known, int(model.row.created_at.timestamp()))
        return moments

    def route_of(self, name: str, asked: str, rest: str) -> Route:
        """The model's, for a call that asked for a name of which the model's star stands for the `rest`."""
        return self._route(name, self._models[name], asked, rest)

    def _route(self, name: str, model: _Model, asked: str | None = None, rest: str = STAR) -> Route:
        row = model.route
        own = tuple(self._stages(model, asked or name, rest))
        behind = self._stages_of(model.row.fallbacks, rest, {name})
        sticky: Any = row.sticky if row else None
        return Route.of(
            name,
            own + behind,
            sticky,
            self._stages_of(row.context_fallbacks, rest, {name}) if row else (),
            self._stages_of(row.refusal_fallbacks, rest, {name}) if row else (),
            model.row.cache_seconds,
            _similarity(model.row),
        )

    def _stages(self, model: _Model, name: str, rest: str, names: tuple[str, ...] | None = None) -> Iterator[Stage]:
        strategy: Any = model.route.strategy if model.route else "ordered"
        targets = [self._target(name, site, host, rest) for site, host in model.sites]
        for _, of_priority in groupby(sorted(targets, key=_priority), key=_priority):
            yield Stage(tuple(of_priority), strategy, names)

    def _stages_of(self, names: Sequence[str], rest: str, seen: set[str]) -> tuple[Stage, ...]:
        """Of these models, and of those that they fall back on in turn; each once."""
        stages: list[Stage] = []
        for name in names:
            model = self._models.get(name)
            if model is None or name in seen:
                continue
            seen.add(name)
            meant = name.replace(STAR, rest) if name.endswith(STAR) else name
            names = (name, meant, *(model.route.aliases if model.route else ()))
            stages += self._stages(model, meant, rest, names)
            stages += self._stages_of(model.row.fallbacks, rest, seen)
        return tuple(stages)

    def _target(self, name: str, site: Site, host: Host, rest: str) -> Target:
        return self._targets.make(name, site, host, site.upstream_model.replace(STAR, rest))


class WildcardRoute:
    """A model whose name ends in a star."""

    def __init__(self, routes: RouteMap, name: str) -> None:
        self.name = name
        self._prefix = name.removesuffix(STAR)
        self._routes = routes
        self._known: dict[str, Route] = {}

    def route(self, asked: str) -> Route | None:
        if (known := self._known.get(asked)) is not None:
            return known
        rest = asked.removeprefix(self._prefix)
        if not rest or not asked.startswith(self._prefix) or STAR in rest:
            return None
        if len(self._known) >= MOST_NAMES:
            self._known.clear()
        route = self._known[asked] = self._routes.route_of(self.name, asked, rest)
        return route


def _similarity(row: ModelRecord) -> Similarity | None:
    if row.cache_embedding_model is None:
        return None
    least = row.cache_similarity
    return Similarity(row.cache_embedding_model, DEFAULT_SIMILARITY if least is None else least)


def _priority(target: Target) -> int:
    return target.priority
