"""Before a call is sent: the most that it can cost is held, or it is refused and nothing is."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import BudgetExceeded, Unsupported
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ledger import Attempt, Hold, HoldOrder
from tollhouse.domain.money import MILLION, Tariff
from tollhouse.domain.ports import Ledger
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Target
from tollhouse.domain.tags import Tags, together
from tollhouse.domain.usage import Usage
from tollhouse.domain.values import value
from tollhouse.services.calls.translation import Choice
from tollhouse.wire.end_user import end_user_of

MOST_TOKENS = 2**31 - 1
CALL_OVERHEAD = 128
MESSAGE_OVERHEAD = 16
TOOLS_OVERHEAD = 1024
"""Tokens that a host's template adds: to a call, to each message, and to one with tools (Anthropic publishes up to
530 for its largest tool prompt; twice that)."""


@value
class Admitted:
    """A held call. `cap` is the output cap to write into the body, None to leave the body alone."""

    hold: Hold
    cap: int | None
    input_bound: int
    facts: Facts

    def unknown_usage(self) -> Usage:
        """What is charged of an attempt that was made, and of which nobody has said what it used."""
        return Usage(input=self.input_bound, estimated=True, units=self.facts.units)


@value
class Bound:
    """The most that a call can use and cost at one target; `known` is False where there is no such bound."""

    input: int
    nanos: int
    known: bool


class Admission:
    """Holds in the ledger. Only under a hard budget is a cap put into a body."""

    def __init__(self, ledger: Ledger, *, refuse_unpriced: bool) -> None:
        self._ledger = ledger
        self._refuse_unpriced = refuse_unpriced

    def admit(self, principal: Principal, call: Call, choices: Sequence[Choice], number: int = 1) -> Admitted:
        """Hold the dearest candidate's bound, for the attempt of this number and those after it that cost nothing.
        Raises BudgetExceeded, LedgerUnavailable, Unsupported, and InvalidField where key and call have too many tags.
        """
        if self._refuse_unpriced and not all(target.rates(call.facts).known for target, _ in choices):
            raise Unsupported(
                f"The model {call.facts.model!r} has no price, and this gateway refuses such models: "
                "set its prices in the catalogue.",
                param="model",
            )
        tags = together(principal.tags, call.tags) if principal.tags else call.tags
        scopes = principal.scopes(call.facts.model, tags)
        capped = self._ledger.has_hard_budget(scopes)
        try:
            return self._hold(principal, tags, call, choices, number, capped=capped)
        except BudgetExceeded:
            # The budget may be younger than what this process knew; with a cap the call may fit.
            if capped or not self._ledger.has_hard_budget(scopes):
                raise
            return self._hold(principal, tags, call, choices, number, capped=True)

    def _hold(
        self, principal: Principal, tags: Tags, call: Call, choices: Sequence[Choice], number: int, *, capped: bool
    ) -> Admitted:
        order, cap = order_of(principal, tags, call, choices, number, capped=capped)
        return Admitted(self._ledger.hold(order), cap, order.input_bound, call.facts)


def order_of(
    principal: Principal,
    tags: Tags,
    call: Call,
    choices: Sequence[Choice],
    number: int,
    *,
    capped: bool,
    id: str | None = None,
) -> tuple[HoldOrder, int | None]:
    """What is to be held for the call, and the output cap to write into its body; `capped` where a hard budget is on
    one of its scopes.
    """
    facts = call.facts
    cap = cap_of(facts, [target for target, _ in choices]) if capped and facts.generates else None
    bounds = [bound_of(wording.call.facts, target, cap or facts.output_cap) for target, wording in choices]
    target, input_bound = choices[0][0], max(bound.input for bound in bounds)
    attempt = Attempt(
        request_id=call.request_id,
        number=number,
        key_id=principal.key_id,
        model=facts.model,
        provider=target.host.name,
        upstream_model=target.upstream_model,
        format=call.format,
        streamed=facts.stream,
        started_at=datetime.now(UTC),
        team_id=principal.team_id,
        user_id=principal.user_id,
        tags=tags,
        end_user=end_user_of(call.body),
    )
    order = HoldOrder(
        id=id or new_id("hold"),
        attempt=attempt,
        scopes=principal.scopes(facts.model, tags),
        amount=max(bound.nanos for bound in bounds),
        input_bound=input_bound,
        # A caller's own cap may be one that the host does not know: only what is written is a bound.
        bounded=all(bound.known for bound in bounds) and (capped or not facts.generates),
        prices=target.rates(facts).prices_for(Usage(input=input_bound, units=facts.units)),
        units=facts.units,
    )
    return order, cap


def cap_of(facts: Facts, targets: Sequence[Target]) -> int:
    """What is written under a hard budget: the caller's own, else the default; no more than every target can say."""
    return min(
        min(facts.output_cap or target.default_output_cap, target.max_output or MOST_TOKENS) for target in targets
    )


def tokens_in(facts: Facts) -> int:
    """The most tokens that a body of text makes, with what a host's template adds."""
    return facts.size + CALL_OVERHEAD + MESSAGE_OVERHEAD * facts.messages + (TOOLS_OVERHEAD if facts.tools else 0)


def bound_of(facts: Facts, target: Target, cap: int | None) -> Bound:
    """The most that the call can use and cost at the target, with at most `cap` tokens out a choice.

    Tokens of text are bounded by its bytes; images and files by the context window alone; and what
    a provider's own tools add by nothing.
    """
    if facts.free:
        return Bound(0, 0, known=True)
    rates = target.rates(facts)
    if rates.unit is None:
        return _bound_of_tokens(facts, target, rates.tokens, cap)
    units = -(-facts.units * rates.unit // MILLION)
    if rates.tokens is None:
        return Bound(0, units, facts.units_bounded)
    # The provider may tell tokens, and then is paid for these.
    tokens = _bound_of_tokens(facts, target, rates.tokens, cap)
    return Bound(0, max(units, tokens.nanos), facts.units_bounded and tokens.known)


def _bound_of_tokens(facts: Facts, target: Target, tariff: Tariff | None, cap: int | None) -> Bound:
    tokens = tokens_in(facts)
    window = target.context_window
    if facts.media and window is None:
        return Bound(tokens, 0, known=False)
    if window is not None:
        tokens = window if facts.media else min(tokens, window)
    output = 0
    if facts.generates:
        per_choice = [limit for limit in (cap, target.max_output) if limit is not None]
        output = min(per_choice) * facts.choices if per_choice else target.default_output_cap * facts.choices
    known = tariff is not None and not facts.surcharged and (cap is not None or not facts.generates)
    nanos = tariff.most(tokens, output) if tariff else 0
    return Bound(tokens, nanos, known)
