"""Before a call is held: it is let in under all limits of its caller and its model, or refused and takes of none."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from tollhouse import metrics
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import DeploymentFull, RateLimited
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.limits import Limit, LimitOrder, Refusal, Standing, Taken
from tollhouse.domain.ports import Limiter
from tollhouse.domain.principal import ORGANISATION, Principal, Priority
from tollhouse.domain.routes import Catalogue, Target
from tollhouse.domain.usage import Usage
from tollhouse.services.calls.admission import tokens_in
from tollhouse.services.calls.capacity import BATCH_SHARE
from tollhouse.services.calls.translation import Choice

_UNITS = {"requests": "requests a minute", "tokens": "tokens a minute", "concurrency": "open calls at once"}


class Allowance:
    """What a call has taken of its limits. It ends once, whoever says so first: settled, or given back."""

    __slots__ = ("_limiter", "_open", "_taken")

    def __init__(self, limiter: Limiter, taken: Taken | None) -> None:
        self._limiter = limiter
        self._taken = taken
        self._open = [] if taken is None else [taken]

    @property
    def standing(self) -> Standing | None:
        """What was left when the call was let in; None without limits."""
        return self._taken.standing if self._taken else None

    def settle(self, usage: Usage, earlier: int = 0) -> None:
        """The call has ended, and this is what it used; and so many tokens, with attempts that failed."""
        if (taken := self._end()) is not None:
            self._limiter.settle(taken, earlier + usage.prompt + usage.output)

    def give_back(self) -> None:
        """The call was not made."""
        if (taken := self._end()) is not None:
            self._limiter.give_back(taken)

    def _end(self) -> Taken | None:
        try:
            return self._open.pop()  # of two threads one gets it
        except IndexError:
            return None  # there are no limits, or it has ended


class Limiting:
    """Limits as the catalogue has them. Without one that applies, the limiter is not asked."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._none = Allowance(limiter, None)
        self._prefix, self._numbers = new_id("call"), itertools.count()

    def take(self, principal: Principal, call: Call, choices: Sequence[Choice], catalogue: Catalogue) -> Allowance:
        """Let the call in. Raises RateLimited."""
        if not (limits := limits_of(catalogue, principal, call.facts.model)):
            return self._none
        least, most = tokens_of(choices) if any(limit.tpm is not None for limit in limits) else (0, 0)
        if principal.priority == "batch":
            limits = tuple([_left_to_batches(limit, least) for limit in limits])
        verdict = self._limiter.take(LimitOrder(f"{self._prefix}-{next(self._numbers)}", limits, least, most))
        if isinstance(verdict, Refusal):
            metrics.LIMIT_REFUSALS.labels(verdict.limit.scope[0], verdict.kind).inc()
            raise _refused(verdict, least, principal.priority)
        return Allowance(self._limiter, verdict)

    def take_share(self, choice: Choice, priority: Priority) -> Allowance | None:
        """Of the deployment's own limit; None where it has none. Raises DeploymentFull."""
        target = choice[0]
        if target.limit is None:
            return None
        limit = target.limit
        least, most = tokens_of((choice,)) if limit.tpm is not None else (0, 0)
        if priority == "batch":
            limit = _left_to_batches(limit, least)
        verdict = self._limiter.take(LimitOrder(f"{self._prefix}-{next(self._numbers)}", (limit,), least, most))
        if isinstance(verdict, Refusal):
            metrics.LIMIT_REFUSALS.labels(limit.scope[0], verdict.kind).inc()
            raise DeploymentFull(
                f"The deployment of {target.model!r} at {target.host.name} has no room for more "
                f"{_UNITS[verdict.kind]}.",
                retry_after=None if verdict.retry_ms is None else verdict.retry_ms / 1000,
            )
        return Allowance(self._limiter, verdict)


def limits_of(catalogue: Catalogue, principal: Principal, model: str) -> tuple[Limit, ...]:
    """The limits of all scopes that a call of this principal to this model is in."""
    known = catalogue.limits
    if not known:
        return ()
    scopes = principal.scopes(model, ())
    return tuple([known[scope] for scope in scopes if scope in known])


def _left_to_batches(limit: Limit, least: int) -> Limit:
    """What calls of batch priority may fill of a limit: the rest is for who waits for an answer. A call that is larger
    than that has the whole of it.
    """
    share = _share(limit)
    return limit if share.tpm is not None and least > share.tpm else share


@lru_cache(4096)
def _share(limit: Limit) -> Limit:
    rpm, tpm, concurrency = (
        None if most is None else max(1, int(most * BATCH_SHARE)) for most in (limit.rpm, limit.tpm, limit.concurrency)
    )
    return replace(limit, rpm=rpm, tpm=tpm, concurrency=concurrency)


def tokens_of(choices: Sequence[Choice]) -> tuple[int, int]:
    """The least and the most tokens that a call is charged before it is made; one and the same where it is bounded.

    What has no bound, an answer without a cap or an image, is charged what is usual, as far as there is room for it:
    so that a limit below that can be used at all.
    """
    spans = [_span(wording.call.facts, target) for target, wording in choices]
    return max(least for least, _ in spans), max(most for _, most in spans)


def _span(facts: Facts, target: Target) -> tuple[int, int]:
    if facts.free or facts.unit is not None:
        return 0, 0  # what an image or a recording makes of tokens, its provider says afterwards
    into, window = tokens_in(facts), target.context_window
    if window is not None:
        into = window if facts.media else min(into, window)
    if not facts.generates:
        return (1 if facts.media else into), into
    caps = [cap for cap in (facts.output_cap, target.max_output) if cap is not None]
    most = into + (min(caps) if caps else target.default_output_cap) * facts.choices
    if facts.media:
        return 1, most
    return (most, most) if facts.output_cap is not None else (into + 1, most)


def _refused(refusal: Refusal, least: int, priority: Priority) -> RateLimited:
    limit, kind = refusal.limit, refusal.kind
    most = {"requests": limit.rpm, "tokens": limit.tpm, "concurrency": limit.concurrency}[kind]
    scope = "the organisation" if limit.scope == ORGANISATION else " ".join(("the", *limit.scope))
    whose = " of calls of batch priority" if priority == "batch" else ""
    which = f"The limit {limit.id} allows {scope} {most} {_UNITS[kind]}{whose}"
    if refusal.retry_ms is None:
        message = f"{which}, and this call alone may take {least}. Ask for less: a shorter prompt, a lower max_tokens."
        return RateLimited(message, kind=kind, retry_after=None, standing=refusal.standing)
    seconds = refusal.retry_ms / 1000
    advice = "Try again when one has ended." if kind == "concurrency" else f"Try again in {seconds:.3g} s."
    return RateLimited(
        f"{which}, and they are taken. {advice}", kind=kind, retry_after=seconds, standing=refusal.standing
    )
