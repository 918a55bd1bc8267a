"""After a call, however it ended: one hold becomes one ledger row, exactly once."""

import threading
import time
from dataclasses import replace

from tollhouse import logs, metrics
from tollhouse.domain.ledger import Entry, Settlement
from tollhouse.domain.ports import Ledger
from tollhouse.domain.routes import Target
from tollhouse.domain.usage import Usage
from tollhouse.services.admission import Admitted

FREE = Usage()


class Booking:
    """The open account of one call: knows its hold, where it was sent, how long it took. Settles once."""

    def __init__(self, ledger: Ledger, admitted: Admitted, target: Target) -> None:
        self._ledger = ledger
        self._admitted = admitted
        self._began = time.monotonic()
        self._first_token: float | None = None
        self._settled = False
        self._lock = threading.Lock()
        self.target = target
        self.attempts = 0

    def sent_to(self, target: Target) -> None:
        """One more attempt, at this target."""
        self.target = target
        self.attempts += 1

    def saw_first_token(self) -> None:
        """Output has begun; only the first time counts."""
        if self._first_token is None:
            self._first_token = time.monotonic()

    def cost_of(self, usage: Usage) -> int | None:
        """Nano-dollars at the target's prices, None where they are not known."""
        tariff = self.target.tariff
        return tariff.prices_for(usage.prompt).cost(usage) if tariff else None

    def settle(self, usage: Usage, status: int, outcome: str) -> None:
        """Book the call. Idempotent: only the first settlement counts, and nothing is booked twice."""
        with self._lock:
            if self._settled:
                return
            self._settled = True
        now = time.monotonic()
        attempt, target = self._admitted.hold.order.attempt, self.target
        entry = Entry(
            attempt=replace(attempt, provider=target.host.name, upstream_model=target.upstream_model),
            status=status,
            outcome=outcome,
            attempts=self.attempts,
            usage=usage,
            prices=target.tariff.prices_for(usage.prompt) if target.tariff else None,
            cost=self.cost_of(usage),
            latency_us=int((now - self._began) * 1e6),
            first_token_us=None if self._first_token is None else int((self._first_token - self._began) * 1e6),
        )
        self._ledger.settle(Settlement(self._admitted.hold.id, entry))
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
