"""Why a call would go where it would: the same order as routing's, with the reason of each place."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tollhouse.domain.call import Call
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Route, Stage, Target
from tollhouse.services.routing.requirements import why_not
from tollhouse.services.routing.routing import in_order, sticks_to
from tollhouse.services.routing.strategies import expected_cost
from tollhouse.services.routing.vitals import Watch


@dataclass(frozen=True, slots=True)
class Explained:
    """A target of a route: at which place it would be tried, None where it would not be, and why."""

    place: int | None
    target: Target
    why: str


def explain(route: Route, principal: Principal, call: Call, watch: Watch) -> list[Explained]:
    """In the order in which a call would try them; last, those that it would not, and what they lack."""
    stays = route.sticky is not None and sticks_to(route, principal, call) is not None
    tried: list[Explained] = []
    left: list[Explained] = []
    for number, stage in enumerate(route.stages):
        able = in_order((stage,), route, principal, call, watch)
        for target in able:
            before = "" if not number else "when those fail: "
            if target.model != route.stages[0].targets[0].model:
                before += "a fallback, "
            by = f"sticky by {route.sticky}" if stays and len(able) > 1 else _chosen(stage, target, able, call, watch)
            tried.append(Explained(len(tried) + 1, target, f"{before}{by}"))
        left += [Explained(None, one, f"it {why}") for one in stage.targets if (why := why_not(call, one)) is not None]
    return tried + left


def _chosen(stage: Stage, target: Target, able: Sequence[Target], call: Call, watch: Watch) -> str:
    if len(able) == 1:
        return "the only one"
    if stage.strategy == "weighted":
        share = target.weight / (sum(one.weight for one in able) or 1)
        told = f"by chance, the first in {share:.0%} of calls"
    elif stage.strategy == "least_busy":
        told = f"{watch.open(target.deployment)} open calls at weight {target.weight}"
    elif stage.strategy == "lowest_latency":
        seconds = watch.latency(target.deployment, streamed=call.facts.stream)
        told = f"{seconds:.3g} s to its first byte" if seconds else "not measured yet"
    elif stage.strategy == "cheapest":
        cost = expected_cost(target, call)
        told = "its price is not known" if cost == math.inf else f"about {cost / 1e9:.6f} USD for such a call"
    else:
        told = "as listed"
    return told
