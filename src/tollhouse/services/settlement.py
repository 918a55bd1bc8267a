"""After a call, however it ended: one hold becomes one ledger row, exactly once."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from tollhouse import crash_points, logs, metrics
from tollhouse.domain.ledger import PROCESS_DIED, Entry, Settlement
from tollhouse.domain.limits import Standing
from tollhouse.domain.ports import Ledger
from tollhouse.domain.routes import Target
from tollhouse.domain.usage import Usage
from tollhouse.services.admission import Admitted
from tollhouse.services.limiting import Allowance

NOTHING = Usage()


class Booking:
    """The open account of one call: knows its hold, where it was sent, how long it took. Settles once."""

    def __init__(self, ledger: Ledger, admitted: Admitted, target: Target, allowance: Allowance) -> None:
        self._ledger = ledger
        self._allowance = allowance
        self._admitted = admitted
        self._began = time.monotonic()
        self._first_token: float | None = None
        self._settled = False
        self._lock = threading.Lock()
        self.known_usage: Callable[[], Usage] = admitted.unknown_usage
        """What the call has used, as far as anybody has said."""
        self._status = 0
        self.target = target
        self.attempts = 0
        ledger.follow(admitted.hold, self._known)

    def sent_to(self, target: Target) -> None:
        """One more attempt, at this target."""
        self.target = target
        self.attempts += 1
        self.known_usage, self._status = self._admitted.unknown_usage, 0

    def relays(self, usage: Callable[[], Usage], status: int) -> None:
        """An answer of this status comes: what it has used so far is known from here on."""
        self.known_usage, self._status = usage, status

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
        self._allowance.settle(usage)

    def cost_of(self, usage: Usage) -> int | None:
        """Nano-dollars at the target's prices, None where they are not known."""
        return self.target.rates(self._admitted.facts).cost(usage)

    def settle(self, usage: Usage, status: int, outcome: str) -> None:
        """Book the call. Idempotent: only the first settlement counts, and nothing is booked twice."""
        with self._lock:
            if self._settled:
                return
            self._settled = True
        self._allowance.settle(usage)
        crash_points.reach("replied")
        hold = self._admitted.hold
        attempt, target = hold.order.attempt, self.target
        entry = self._entry(usage, status, outcome)
        self._ledger.settle(Settlement(hold.id, entry, hold.windows))
        metrics.observe_call(entry)
        logs.event(
            "call",
            request_id=attempt.request_id,
            key=attempt.key_id,
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
        )
