"""From a model's name to the targets that a call may be sent to, in order. Pure, over a snapshot and what was seen."""

import difflib
from collections.abc import Callable, Sequence

from tollhouse.domain.call import Call
from tollhouse.domain.errors import Forbidden, UnknownModel, Unsupported
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue, Route, Stage, Target
from tollhouse.services.routing.requirements import cannot, why_not
from tollhouse.services.routing.strategies import by_stickiness, by_strategy
from tollhouse.services.routing.vitals import Watch
from tollhouse.wire import FORMATS, upstream_format

SESSION_HEADER = "x-tollhouse-session"
"""By it, calls of one conversation stay at one deployment."""


def visible_models(catalogue: Catalogue, principal: Principal) -> list[str]:
    """The names that this principal may use, in order; of those that a star stands for, the ones that its key lists."""
    routes = catalogue.routes
    names = {name for name in routes if principal.may_use(name) or principal.may_use(routes[name].name)}
    names.update(name for name in principal.models or () if catalogue.route(name) is not None)
    return sorted(names)


def route_of(catalogue: Catalogue, principal: Principal, name: str) -> Route:
    """What the name stands for. Raises UnknownModel, Forbidden."""
    route = catalogue.routes.get(name) or catalogue.route(name)
    if route is None:
        raise UnknownModel(name, difflib.get_close_matches(name, visible_models(catalogue, principal), 3, 0.5))
    if principal.models is not None and not (principal.may_use(name) or principal.may_use(route.name)):
        raise Forbidden(f"This API key may not use the model {name!r}.", param="model")
    return route


def candidates(route: Route, principal: Principal, call: Call, watch: Watch) -> tuple[Target, ...]:
    """The targets of a call, first choice first. Raises Unsupported where none can take it.

    What is too long for all of them goes to the models that are there for that, else to all of them: a provider says
    better than we do what is wrong with it.
    """
    lone = route.lone
    if lone is not None and not route.for_longer:
        if cannot(call, lone) is None:
            return (lone,)
        raise _unsupported(route, call)
    able = in_order(route.stages, route, principal, call, watch)
    able = able or in_order(route.for_longer, route, principal, call, watch)
    able = able or in_order(route.stages, route, principal, call, watch, unless=cannot)
    if not able:
        raise _unsupported(route, call)
    return tuple(able)


def in_order(
    stages: Sequence[Stage],
    route: Route,
    principal: Principal,
    call: Call,
    watch: Watch,
    unless: Callable[[Call, Target], str | None] = why_not,
) -> list[Target]:
    """The able targets of the stages, as they are to be tried; none of another model that the key may not use."""
    stays = None if route.sticky is None else sticks_to(route, principal, call)
    ordered = []
    for stage in stages:
        if principal.models is not None and not may_go_to(stage, principal):
            continue
        able = [target for target in stage.targets if unless(call, target) is None]
        if len(able) > 1:
            able = by_stickiness(able, stays) if stays else by_strategy(stage.strategy, able, call, watch)
        ordered += able
    return ordered


def may_go_to(stage: Stage, principal: Principal) -> bool:
    """Whether somebody who may use the route may be sent on to this stage of it."""
    return stage.names is None or any(principal.may_use(name) for name in stage.names)


def _unsupported(route: Route, call: Call) -> Unsupported:
    targets = route.targets
    if all(upstream_format(call.format, target.formats) is None for target in targets):
        spoken = ", ".join(sorted(targets[0].formats)) or "nothing that is known here"
        return Unsupported(
            f"The model {call.facts.model!r} cannot be called as {FORMATS[call.format].name}: its provider speaks "
            f"{spoken}.",
            param="model",
        )
    reasons = dict.fromkeys(f"{one.host.name} {cannot(call, one)}" for one in targets)
    return Unsupported(
        f"No provider of the model {call.facts.model!r} can take this call: {'; '.join(reasons)}.", param="model"
    )


def sticks_to(route: Route, principal: Principal, call: Call) -> str | None:
    """By what the call stays where those before it went; None where it says nothing of the kind."""
    if route.sticky == "key":
        return principal.key_id
    if session := call.headers.get(SESSION_HEADER):
        return f"{principal.key_id} {session}"
    if route.sticky == "user":
        metadata = call.body.get("metadata")
        user = call.body.get("user") or (metadata.get("user_id") if isinstance(metadata, dict) else None)
        if isinstance(user, str) and user:
            return f"{principal.key_id} {user}"
    return None
