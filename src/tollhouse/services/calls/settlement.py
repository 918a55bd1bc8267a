"""After a call, however it ended: one hold becomes one ledger row, exactly once."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from tollhouse import crash_points, logs, metrics
from tollhouse.domain.course import Course
from tollhouse.domain.ledger import PROCESS_DIED, Entry, Settlement
from tollhouse.domain.limits import Standing
from tollhouse.domain.ports import Ledger
from tollhouse.domain.routes import Target
from tollhouse.domain.usage import Usage
from tollhouse.services.calls.admission import Admitted
from tollhouse.services.calls.capacity import Place
from tollhouse.services.calls.limiting import Allowance
from tollhouse.services.calls.tracing import end_trace
from tollhouse.services.routing.vitals import Vitals, Watch

NOTHING = Usage()


def _nothing() -> Usage:
    return NOTHING


class Visit:
    """An attempt that is under way at a deployment. It ends once."""

    __slots__ = ("_share", "_vitals")

    def __init__(self, vitals: Vitals, share: Allowance | None) -> None:
        self._vitals = vitals
        self._share = share
        vitals.open += 1

    def end(self, usage: Usage | None) -> None:
        """`usage` is None where it came to nothing."""
        self._vitals.open -= 1
        if self._share is not None:
            if usage is None:
                self._share.give_back()
            else:
                self._share.settle(usage)


class Account(Protocol):
    """What a reply is booked in."""

    @property
    def target(self) -> Target: ...

    @property
    def attempts(self) -> int: ...

    @property
    def standing(self) -> Standing | None: ...

    def saw_first_token(self) -> None: ...

    def upstream_ended(self, usage: Usage) -> None: ...

    def cost_of(self, usage: Usage) -> int | None: ...

    def settle(self, usage: Usage, status: int, outcome: str) -> None: ...


class Booking:
    """The open account of one call under one hold: knows where it was sent, how long it took. Settles once."""

    def __init__(
        self,
        ledger: Ledger,
        admitted: Admitted,
        target: Target,
        allowance: Allowance,
        vitals: Watch,
        place: Place,
        course: Course,
    ) -> None:
        self._ledger = ledger
        self._allowance = allowance
        self._admitted = admitted
        self._began = time.monotonic()
        self._watch = vitals
        self._visit: Visit | None = None
        self._earlier = 0  # tokens of attempts that were booked before
        self._place = place
        self._course = course
        self._first_token: float | None = None
        self._unsettled: list[None] = [None]
        self.known_usage: Callable[[], Usage] = admitted.unknown_usage
        """What the call has used, as far as anybody has said."""
        self._status = 0
        self._saves: Callable[[], int | None] | None = None
        self.target = target
        self.attempts = 0
        ledger.follow(admitted.hold, self._known)

    def sent_to(self, target: Target, share: Allowance | None = None) -> None:
        """One more attempt, at this target; `share` is what it takes of the deployment's own limit."""
        self._leave(None)
        self._visit = Visit(self._watch.of(target.deployment), share)
        self.target = target
        self.attempts += 1
        self.known_usage, self._status = self._admitted.unknown_usage, 0

    def came_to_nothing(self) -> None:
        """What was sent last used nothing that is billed."""
        self._leave(None)
        self.known_usage = _nothing

    def goes_on(self, admitted: Admitted, target: Target, usage: Usage | None, outcome: str) -> "Booking":
        """The account of the next attempt, which has a hold of its own. What was done so far is booked in a row of its
        own, which no caller saw; or, where `usage` is None, it cost nothing and its hold is gone.
        """
        following = Booking(self._ledger, admitted, target, self._allowance, self._watch, self._place, self._course)
        following._began, following.attempts = self._began, self.attempts
        following.known_usage = _nothing  # until it is sent
        following._earlier = self._earlier + (usage.prompt + usage.output if usage else 0)
        self._end()
        self._leave(usage)
        hold = self._admitted.hold
        entry = None if usage is None else self._entry(usage, 0, outcome)
        self._ledger.settle(Settlement(hold.id, entry, hold.windows))
        if entry is not None:
            metrics.observe_tokens(entry)
            logs.event(
                "attempt",
                provider=self.target.host.name,
                outcome=outcome,
                input_tokens=entry.usage.prompt,
                output_tokens=entry.usage.output,
                estimated=entry.usage.estimated,
                cost_nanos=entry.cost,
            )
        return following

    def relays(self, usage: Callable[[], Usage], status: int) -> None:
        """An answer of this status comes: what it has used so far is known from here on."""
        self.known_usage, self._status = usage, status

    def retells(self, target: Target, saves: Callable[[], int | None]) -> None:
        """No attempt is made: what the target has said before is given again, which costs nothing and `saves` so many
        nano-dollars, None where nobody knows.
        """
        self.target, self._saves = target, saves

    def withdraw(self) -> None:
        """As if the call had never been; nothing of it was sent."""
        if not self._end():
            return
        self._allowance.give_back()
        hold = self._admitted.hold
        self._ledger.settle(Settlement(hold.id, None, hold.windows))

    def saw_first_token(self) -> None:
        """Output has begun; only the first time counts."""
        if self._first_token is None:
            self._first_token = time.monotonic()

    @property
    def standing(self) -> Standing | None:
        """What was left of the call's limits when it was let in."""
        return self._allowance.standing

    def upstream_ended(self, usage: Usage) -> None:
        """Nothing more comes: the next call may have this one's place before its last byte is with the client."""
        self._leave(usage)
        self._allowance.settle(usage, self._earlier)

    def _end(self) -> bool:
        """Whether it was open until now: of two threads one is told so."""
        try:
            self._unsettled.pop()
        except IndexError:
            return False
        return True

    def _leave(self, usage: Usage | None) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.end(usage)

    def cost_of(self, usage: Usage) -> int | None:
        """Nano-dollars at the target's prices, None where they are not known."""
        return self.target.rates(self._admitted.facts).cost(usage)

    def settle(self, usage: Usage, status: int, outcome: str) -> None:
        """Book the call. Idempotent: only the first settlement counts, and nothing is booked twice."""
        if not self._end():
            return
        self._course.stage("settle")
        self._place.leave()
        self._leave(usage)
        self._allowance.settle(usage, self._earlier)
        crash_points.reach("replied")
        hold = self._admitted.hold
        attempt, target = hold.order.attempt, self.target
        entry = self._entry(usage, status, outcome)
        self._ledger.settle(Settlement(hold.id, entry, hold.windows))
        metrics.observe_call(entry, self._course.overhead)
        if (trace := self._course.trace) is not None:
            end_trace(trace, entry)
        logs.event(
            "call",
            request_id=attempt.request_id,
            key=attempt.key_id,
            team=attempt.team_id,
            model=attempt.model,
            provider=target.host.name,
            format=attempt.format,
            streamed=attempt.streamed,
            status=status,
            outcome=outcome,
            attempts=self.attempts,
            input_tokens=usage.prompt,
            output_tokens=usage.output,
            estimated=usage.estimated,
            cost_nanos=entry.cost,
            latency_ms=entry.latency_us // 1000,
            **({} if entry.saved is None else {"saved_nanos": entry.saved}),
        )

    def _known(self) -> Entry | None:
        """What is booked if the process dies now; None while nothing was sent."""
        return self._entry(self.known_usage(), self._status, PROCESS_DIED) if self.attempts else None

    def _entry(self, usage: Usage, status: int, outcome: str) -> Entry:
        now, target = time.monotonic(), self.target
        attempt = self._admitted.hold.order.attempt
        if (attempt.provider, attempt.upstream_model) != (target.host.name, target.upstream_model):
            attempt = replace(attempt, provider=target.host.name, upstream_model=target.upstream_model)
        prices = target.rates(self._admitted.facts).prices_for(usage)
        return Entry(
            attempt=attempt,
            status=status,
            outcome=outcome,
            attempts=self.attempts,
            usage=usage,
            prices=prices,
            cost=prices.cost(usage) if prices else None,
            latency_us=int((now - self._began) * 1e6),
            first_token_us=None if self._first_token is None else int((self._first_token - self._began) * 1e6),
            saved=None if self._saves is None else self._saves() or 0,
        )
