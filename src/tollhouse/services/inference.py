"""The pipeline: route, translate, limit, admit, send, relay, settle. The file to read first.

open()            route; what may be answered by what was said before goes by `caching.py`, the rest is sent
_hold()           translate, limit, admit
_run()            send until a target answers
Reply.__iter__    relay
Reply.close()     settle
"""

from collections.abc import Sequence
from dataclasses import replace

from tollhouse import metrics
from tollhouse.domain.call import Call
from tollhouse.domain.errors import ClientGone, TollhouseError, Unavailable, UnknownModel
from tollhouse.domain.ports import Ledger, Outside, Upstreams, at_once
from tollhouse.domain.principal import Principal, Priority
from tollhouse.domain.retries import Special
from tollhouse.domain.routes import Catalogue, Route, Target
from tollhouse.domain.values import value
from tollhouse.services.caching.asked import Asked
from tollhouse.services.caching.caching import Caching
from tollhouse.services.caching.embedding import embedding_call
from tollhouse.services.calls.admission import Admission, Admitted
from tollhouse.services.calls.breakers import Breakers
from tollhouse.services.calls.capacity import Capacity, Place
from tollhouse.services.calls.dispatch import Dispatch, Means, TurnTo, usage_of_failure
from tollhouse.services.calls.left_calls import see_through
from tollhouse.services.calls.limiting import Allowance, Limiting
from tollhouse.services.calls.payload_log import PayloadLog
from tollhouse.services.calls.remainders import NO_REMAINDERS, Remainders
from tollhouse.services.calls.reply import CLIENT_GONE, Reply
from tollhouse.services.calls.settlement import Booking
from tollhouse.services.calls.translation import Choice, Wording, word
from tollhouse.services.calls.tries import NO_RETRIES, RetryPolicy
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.models.credentials import Credentials
from tollhouse.services.routing.routing import candidates, in_order, route_of
from tollhouse.services.routing.vitals import Watch
from tollhouse.wire import FORMATS, PAIRS, json_text


@value
class Arrival:
    """A call that has come in: who makes it, where it may go, by which catalogue, and its place among open calls."""

    principal: Principal
    call: Call
    route: Route
    targets: Sequence[Target]
    catalogue: Catalogue
    place: Place


class Inference:
    """Every call of every caller comes through `open`: requests, background work, probes."""

    def __init__(
        self,
        catalogue: CatalogueReader,
        limiting: Limiting,
        admission: Admission,
        ledger: Ledger,
        upstreams: Upstreams,
        *,
        max_reply_bytes: int,
        policy: RetryPolicy = NO_RETRIES,
        breakers: Breakers | None = None,
        credentials: Credentials | None = None,
        remainders: Remainders = NO_REMAINDERS,
        capacity: Capacity | None = None,
        caching: Caching | None = None,
        payloads: PayloadLog | None = None,
        outside: Outside = at_once,
    ) -> None:
        """`outside` translates large bodies. Without `caching` no reply is given again."""
        self._catalogue = catalogue
        self._limiting = limiting
        self._admission = admission
        self._ledger = ledger
        self._means = Means(
            upstreams,
            limiting,
            Watch(),
            breakers or Breakers(),
            policy,
            max_reply_bytes,
            remainders,
            credentials or Credentials(),
        )
        self._capacity = capacity or Capacity()
        self._caching = caching
        self._payloads = payloads
        self._outside = outside

    @property
    def breakers(self) -> Breakers:
        """Of all deployments, as this process sees them."""
        return self._means.breakers

    @property
    def open_calls(self) -> int:
        """How many calls of this process have not been settled."""
        return self._capacity.open

    def check_room(self, priority: Priority) -> None:
        """Raise Overloaded where `open` would, now, for want of room: nothing is taken yet."""
        self._capacity.check(priority)

    def open(self, principal: Principal, call: Call) -> Reply:
        """A reply that has begun; whoever gets it closes it. Raises TollhouseError, and then all is settled."""
        if self._payloads is not None and principal.team_id in self._catalogue.current.keeping:
            return self._payloads.watched(principal, call, self._open)
        return self._open(principal, call)

    def _open(self, principal: Principal, call: Call) -> Reply:
        place = self._capacity.enter(principal.priority)
        call.course.stage("route")
        try:
            catalogue = self._catalogue.current
            route, targets = self._route(catalogue, principal, call)
            if self._caching is not None and (call.cache_control is not None or route.cache_seconds is not None):
                return self._caching.open(self._asked(Arrival(principal, call, route, targets, catalogue, place)))
            dispatch = self._hold(Arrival(principal, call, route, targets, catalogue, place))
        except BaseException:
            place.leave()
            raise
        return self._send(dispatch, call.request_id)

    def check(self, principal: Principal, call: Call) -> None:
        """Raise what `open` would raise for the call itself, now: nothing is held, and nobody is asked."""
        _, targets = self._route(self._catalogue.current, principal, call)
        self._word(call, targets)

    def _asked(self, arrival: Arrival) -> Asked:
        """What may be answered by what was said before."""
        principal, call, route = arrival.principal, arrival.call, arrival.route
        free = replace(call, facts=replace(call.facts, model=route.name, free=True, generates=False))

        def admit(target: Target) -> Booking:
            choice = (target, Wording(FORMATS[call.format], PAIRS[call.format, call.format], free, ()))
            admitted, allowance = self._admit(principal, free, (choice,), arrival.catalogue)
            return Booking(self._ledger, admitted, target, allowance, self._means.watch, arrival.place, call.course)

        def send() -> Reply:
            return self._send(self._hold(arrival), call.request_id)

        def embed(model: str, text: str) -> Reply:
            return self.open(principal, embedding_call(model, text, call.tags))

        return Asked(principal, call, route, arrival.targets, send, admit, embed)

    def _word(self, call: Call, targets: Sequence[Target]) -> Sequence[Choice]:
        """The call as each target takes it. A large one holds up nobody else."""
        call.course.stage("translate")
        run = self._outside if call.facts.size >= json_text.LARGE else at_once
        return run(lambda: word(call, targets, self._means.upstreams.manners))

    def _hold(self, arrival: Arrival) -> Dispatch:
        """Translate, limit, admit: ready to be sent, or nothing is held."""
        principal, call, route = arrival.principal, arrival.call, arrival.route
        choices = self._word(call, arrival.targets)
        booked = _booked_as(call, route.name)
        admitted, allowance = self._admit(principal, booked, choices, arrival.catalogue)
        return Dispatch(
            self._means,
            call,
            choices,
            admitted,
            Booking(self._ledger, admitted, choices[0][0], allowance, self._means.watch, arrival.place, call.course),
            priority=principal.priority,
            admit=lambda choices, number: self._admission.admit(principal, booked, choices, number),
            turn_to=self._turns_to(route, principal, call),
        )

    def _send(self, dispatch: Dispatch, request_id: str) -> Reply:
        remainders = self._means.remainders
        if not remainders.sees_through:
            return _run(dispatch)
        return see_through(remainders, request_id, dispatch, lambda: _run(dispatch))

    def _turns_to(self, route: Route, principal: Principal, call: Call) -> TurnTo | None:
        if not (route.for_longer or route.for_refused):
            return None

        def turn_to(kind: Special) -> Sequence[Choice]:
            stages = route.for_longer if kind == "too_long" else route.for_refused
            able = in_order(stages, route, principal, call, self._means.watch)
            return self._word(call, able) if able else ()

        return turn_to

    def _route(self, catalogue: Catalogue, principal: Principal, call: Call) -> tuple[Route, Sequence[Target]]:
        try:
            route = route_of(catalogue, principal, call.facts.model)
        except UnknownModel:
            if catalogue.version < 0:
                raise Unavailable("This gateway has not read its catalogue yet. Try again.", retry_after=1) from None
            raise
        return route, candidates(route, principal, call, self._means.watch)

    def _admit(
        self, principal: Principal, call: Call, choices: Sequence[Choice], catalogue: Catalogue
    ) -> tuple[Admitted, Allowance]:
        """Under all limits and in all budgets, or in none."""
        try:
            call.course.stage("limit")
            allowance = self._limiting.take(principal, call, choices, catalogue)
            call.course.stage("admit")
            try:
                return self._admission.admit(principal, call, choices), allowance
            except BaseException:
                allowance.give_back()
                raise
        except TollhouseError as error:
            metrics.HOLD_REFUSALS.labels(error.code).inc()
            raise


def _run(dispatch: Dispatch) -> Reply:
    """A reply that has begun, or all is settled."""
    try:
        return dispatch.run()
    except TollhouseError as error:
        booking = dispatch.booking
        error.standing = booking.standing
        booking.settle(usage_of_failure(error, dispatch.admitted), error.status, error.code)
        raise
    except ClientGone:
        dispatch.booking.settle(dispatch.booking.known_usage(), 0, CLIENT_GONE)
        raise
    except BaseException:
        dispatch.booking.settle(dispatch.booking.known_usage(), 500, "internal_error")
        raise


def _booked_as(call: Call, model: str) -> Call:
    """The call by the name that limits, budgets and the ledger know: not an alias, nor what a star stands for."""
    return call if call.facts.model == model else replace(call, facts=replace(call.facts, model=model))
