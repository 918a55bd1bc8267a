"""How targets of one priority are put in order: by a strategy, or where a caller's calls went before."""

import math
import random
from collections.abc import Callable, Sequence
from hashlib import blake2b

from tollhouse.domain.call import Call
from tollhouse.domain.routes import Strategy, Target
from tollhouse.services.routing.vitals import Watch

USUAL_OUTPUT = 500
"""Tokens that an answer without a cap is taken to have where prices are compared."""


def by_strategy(strategy: Strategy, able: Sequence[Target], call: Call, watch: Watch) -> list[Target]:
    """The targets, first choice first. Those without weight go last wherever weight counts."""
    rank: Callable[[Target], object]
    match strategy:
        case "weighted":
            rank = _random_wait
        case "least_busy":
            # Who is as busy as another must not always be the first.
            def rank(one: Target) -> object:
                load = (watch.open(one.deployment) + 1) / one.weight if one.weight else math.inf
                return load, random.random()  # noqa: S311 - no secret

        case "lowest_latency":

            def rank(one: Target) -> object:
                return watch.latency(one.deployment, streamed=call.facts.stream)

        case "cheapest":

            def rank(one: Target) -> object:
                return expected_cost(one, call)

        case _:
            return list(able)
    return sorted(able, key=rank)  # type: ignore[arg-type]


def by_stickiness(able: Sequence[Target], stays: str) -> list[Target]:
    """By weighted rendezvous hashing: the same everywhere without anybody remembering it, and where a target comes or
    goes only those move that were there or will be.
    """

    def distance(target: Target) -> float:
        digest = blake2b(f"{stays}\0{target.deployment}".encode(errors="replace"), digest_size=8).digest()
        drawn = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
        return -math.log(drawn) / target.weight if target.weight else math.inf

    return sorted(able, key=distance)


def expected_cost(target: Target, call: Call) -> float:
    """Nano-dollars, of an answer as long as it may be; infinite where nobody knows the price."""
    facts = call.facts
    rates = target.rates(facts)
    if rates.unit is not None:
        return rates.unit * facts.units / 1e6
    if rates.tokens is None:
        return math.inf
    tokens = (facts.size - facts.image_size) // 4
    return rates.tokens.most(tokens, (facts.output_cap or USUAL_OUTPUT) if facts.generates else 0)


def _random_wait(target: Target) -> float:
    """Who waits for the least of such random times is the first, each as often as its weight says; and of those that
    are left so is the next.
    """
    return random.expovariate(target.weight) if target.weight else math.inf
