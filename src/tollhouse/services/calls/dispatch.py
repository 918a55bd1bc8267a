"""The attempts of one call, from the first that is sent to the one that is answered."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tollhouse import crash_points, logs, metrics
from tollhouse.domain.call import Call
from tollhouse.domain.errors import (
    ClientGone,
    DeploymentFull,
    DeploymentResting,
    TollhouseError,
    UpstreamError,
    UpstreamRejected,
)
from tollhouse.domain.ports import Outgoing, Upstreams
from tollhouse.domain.principal import Priority
from tollhouse.domain.retries import Special, again, special
from tollhouse.domain.routes import HostKey, Target
from tollhouse.domain.usage import Usage
from tollhouse.services.calls.acceptance import expect_success
from tollhouse.services.calls.admission import Admitted
from tollhouse.services.calls.breakers import Breakers
from tollhouse.services.calls.key_rests import KeyRests
from tollhouse.services.calls.limiting import Limiting
from tollhouse.services.calls.remainders import NO_REMAINDERS, Remainders
from tollhouse.services.calls.reply import Reply
from tollhouse.services.calls.settlement import NOTHING, Booking
from tollhouse.services.calls.tracing import begin_attempt
from tollhouse.services.calls.translation import Choice, dialect_of
from tollhouse.services.calls.tries import RetryPolicy, Tries, Try
from tollhouse.services.models.credentials import Credentials
from tollhouse.services.routing.vitals import Watch
from tollhouse.wire import json_text
from tollhouse.wire.host_error import read_host_error

TurnTo = Callable[[Special], Sequence[Choice]]
"""Who else is there for what was refused so, with the call as each of them takes it."""
Admit = Callable[[Sequence[Choice], int], Admitted]
"""A hold for the attempt of this number."""


@dataclass(frozen=True, slots=True)
class Means:
    """What all calls of a process are sent with."""

    upstreams: Upstreams
    limiting: Limiting
    watch: Watch
    breakers: Breakers
    policy: RetryPolicy
    max_reply_bytes: int
    remainders: Remainders = NO_REMAINDERS
    credentials: Credentials = field(default_factory=Credentials)
    keys: KeyRests = field(default_factory=KeyRests)


class Dispatch:
    """One call. `booking` is its open account, whatever becomes of it: whoever runs it settles that when it raises."""

    def __init__(
        self,
        means: Means,
        call: Call,
        choices: Sequence[Choice],
        admitted: Admitted,
        booking: Booking,
        *,
        priority: Priority,
        admit: Admit,
        turn_to: TurnTo | None,
    ) -> None:
        """`turn_to` is None where no other model is there for what is refused."""
        self.booking = booking
        self.admitted = admitted
        self.caller_left = False
        self._means = means
        self._call = call
        self._choices = choices
        self._priority = priority
        self._admit = admit
        self._turn_to = turn_to
        self._began = time.monotonic()
        self._key: HostKey | None = None
        """With which the last attempt went out, where its provider has several."""
        self._tries = self._new_tries(choices)
        self._body_stays = turn_to is not None

    @property
    def was_sent(self) -> bool:
        """Whether any target was asked."""
        return self.booking.attempts > 0

    def run(self) -> Reply:
        """A reply that has begun. Raises UpstreamError, the provider's own where there is one, and ClientGone where
        that makes an attempt needless.
        """
        attempt = self._tries.next(self._began)
        told: UpstreamError | None = None
        while attempt is not None:
            if attempt.pause:
                self._call.course.stage("pause")
                time.sleep(attempt.pause)
                self._call.course.upstream += attempt.pause
            if self.caller_left:
                raise ClientGone
            try:
                return self._attempt(attempt.choice)
            except UpstreamError as error:
                if told is None or not isinstance(error, DeploymentFull | DeploymentResting):
                    told = error
                attempt = self._after(attempt.choice, error)
        raise told or AssertionError("a route without targets")

    def _new_tries(self, choices: Sequence[Choice]) -> Tries:
        tries = Tries(choices, self._means.policy, began=self._began)
        if self._call.facts.size >= json_text.LARGE:
            # Nobody's memory is kept for what may be needed once more.
            tries.give_up_retries()
        self._spare_keys = sum([len(target.host.keys) - 1 for target, _ in choices if target.host.keys])
        return tries

    def _after(self, choice: Choice, error: UpstreamError) -> Try | None:
        """What comes after this failure, held for; None for nothing."""
        target = choice[0]
        metrics.UPSTREAM_ATTEMPTS.labels(target.host.name, error.code).inc()
        if (trace := self._call.course.trace) is not None:
            trace.end_attempt(error.code)
        self._means.credentials.failed(target.host, error, self._key)
        if again(error).breaks:
            self._means.breakers.failed(target)
        if not error.billable:
            self.booking.came_to_nothing()
        now = time.monotonic()
        if self._takes_another_key(target, error):
            self._tries.again(choice)
        else:
            self._tries.failed(choice, error, now)
        following = self._tries.next(now)
        if following is None:
            following = self._elsewhere(error, now)
        elif error.billable and not self._top_up(error):
            return None
        if following is not None:
            logs.event(
                "upstream_failed_over",
                level=logs.WARNING,
                provider=target.host.name,
                next=following.choice[0].host.name,
                pause_ms=int(1000 * following.pause),
                code=error.code,
                error=error.message,
            )
        return following

    def _takes_another_key(self, target: Target, error: UpstreamError) -> bool:
        """Whether it was the key that failed, and the provider has another that does not rest."""
        key, keys = self._key, self._means.keys
        if key is None or not isinstance(error, UpstreamRejected) or not keys.failed(target, key, error):
            return False
        if not self._spare_keys or not keys.has_another(target):
            return False
        self._spare_keys -= 1
        return True

    def _elsewhere(self, error: UpstreamError, now: float) -> Try | None:
        """A model that is there for what this one refuses, under a hold of its own. Once a call."""
        if self._turn_to is None or not isinstance(error, UpstreamRejected):
            return None
        told = read_host_error(json_text.read_leniently(error.body), error.upstream_status)
        kind = special(error.upstream_status, told.code, told.message)
        if kind is None or not (choices := self._turn_to(kind)):
            return None
        self._turn_to, self._body_stays = None, False
        try:
            self._go_on(choices, None, error.code)
        except TollhouseError:
            return None
        self._choices, self._tries = choices, self._new_tries(choices)
        return self._tries.next(now)

    def _top_up(self, error: UpstreamError) -> bool:
        """A hold for the next attempt, beside that of the one that may be billed, which is booked. False without."""
        try:
            self._go_on(self._choices, error.usage or self.admitted.unknown_usage(), error.code)
            error.billable = False  # It is booked: whoever raises it later must not book it once more.
        except TollhouseError as refused:
            logs.event("attempt_not_held", level=logs.WARNING, code=refused.code, error=refused.message)
            return False
        return True

    def _go_on(self, choices: Sequence[Choice], usage: Usage | None, outcome: str) -> None:
        number = self.admitted.hold.order.attempt.number if usage is None else self.booking.attempts + 1
        admitted = self._admit(choices, number)
        self.booking = self.booking.goes_on(admitted, choices[0][0], usage, outcome)
        self.admitted = admitted

    def _attempt(self, choice: Choice) -> Reply:
        means, call, booking, admitted = self._means, self._call, self.booking, self.admitted
        target, wording = choice
        self._key = None
        means.breakers.check(target)
        self._key = key = means.keys.choose(target)
        share = means.limiting.take_share(choice, self._priority)
        booking.sent_to(target, share)
        format, said = wording.format, wording.call
        cap = admitted.cap
        if cap is None and format.requires_cap and said.facts.output_cap is None:
            cap = target.max_output or target.default_output_cap
        headers = call.headers
        if (trace := call.course.trace) is not None:
            headers = begin_attempt(trace, format.name, target, booking.attempts, headers)
        body = format.write(said, target, cap, means.upstreams.manners(target.host))
        converter = wording.pair.converter(call)
        last = self._tries.are_over and not (self._body_stays or self._spare_keys)
        if last:
            _let_go(call, said, len(body))
        began = time.monotonic()
        try:
            exchange = means.upstreams.open(target, Outgoing(format.name, body, headers, call.facts.stream, key))
        finally:
            call.course.upstream += time.monotonic() - began
        del body
        if last:
            _let_go(call, said, 0)
        try:
            crash_points.reach("sent")
            if key is not None:
                means.keys.heard(target, key, exchange.status, exchange.headers)
            framing = format.framing(said.facts)
            content_type = expect_success(exchange, target, framing.content_types)
            meter = format.meter(said.facts, admitted.input_bound)
            booking.relays(meter.usage, exchange.status)
            reply = Reply(
                request_id=call.request_id,
                dialect=dialect_of(call) if framing.tells_failures else None,
                format=call.format,
                content_type=content_type,
                streamed=call.facts.stream,
                cap=cap if cap != call.facts.output_cap else None,
                exchange=exchange,
                framing=framing,
                meter=meter,
                converter=converter,
                dropped=wording.dropped,
                booking=booking,
                course=call.course,
                remainders=means.remainders,
            )
            reply.start(means.max_reply_bytes)
            crash_points.reach("began")
        except BaseException:
            exchange.close()
            raise
        _let_go(call, said, 0)
        call.course.stage("relay")
        means.watch.began(target.deployment, time.monotonic() - began, streamed=call.facts.stream)
        means.breakers.succeeded(target)
        means.credentials.worked(target.host, key)
        if key is not None:
            means.keys.worked(target, key)
        metrics.UPSTREAM_ATTEMPTS.labels(target.host.name, "ok").inc()
        return reply


def usage_of_failure(error: TollhouseError, admitted: Admitted) -> Usage:
    """What a failed attempt is charged: nothing where the provider did no work, else what is known of it."""
    if isinstance(error, UpstreamError) and error.billable:
        return error.usage or admitted.unknown_usage()
    return NOTHING


def _let_go(call: Call, said: Call, left: int) -> None:
    """Of a body that nobody will be sent again, however long its reply takes."""
    said.let_go(left)
    call.let_go(left)
