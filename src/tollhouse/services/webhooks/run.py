"""The engine of webhooks: claims what is due, attempts many at once, writes down how each attempt went.

The tables are the truth: what a process that dies had comes free when its lease is over, and is then attempted again.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs, metrics
from tollhouse.domain.errors import InvalidSetting, TollhouseError
from tollhouse.domain.ports import Courier, Vault
from tollhouse.services.webhooks.claims import PAUSES, Claim, Lost, WebhookClaims, Went
from tollhouse.services.webhooks.health import Disabled
from tollhouse.services.webhooks.signing import signed

LOOK_SECONDS = 0.25
"""How often it is looked what is due."""
SOON_SECONDS = 6.0
"""What is due as soon as that is waited for, as are first retries: to start another work-horse takes longer."""
LONGEST_ERROR = 300
UNREADABLE_SECONDS = 300.0
"""How long a delivery waits whose secrets cannot be read."""


class WebhookRun:
    """One run in one process. `work` it once."""

    def __init__(
        self,
        claims: WebhookClaims,
        courier: Courier,
        vault: Vault,
        *,
        concurrency: int,
        freshness: float,
        tell_disabled: Callable[[Disabled], None] = lambda _: None,
        asked_to_stop: Callable[[], bool] = lambda: False,
        end_thread: Callable[[], object] = lambda: None,
    ) -> None:
        """`concurrency` are attempted at once, each within `freshness` seconds of its claim or not at all: a process
        that stood still for long would else send what another has by now. No more are begun once it is `asked_to_stop`.
        Each thread calls `end_thread` at its end.
        """
        self._claims = claims
        self._courier = courier
        self._vault = vault
        self._concurrency = concurrency
        self._freshness = freshness
        self._tell_disabled = tell_disabled
        self._asked_to_stop = asked_to_stop
        self._end_thread = end_thread
        self._under_way = 0
        self._changed = threading.Condition()

    def work(self, seconds: float, longest: float) -> bool:
        """Work until nothing has been due for so long, nor is soon, for `longest` at most; whether there is more."""
        began = idle_since = time.monotonic()
        while True:
            now = time.monotonic()
            over = now - began >= longest or self._asked_to_stop()
            if not over and (self._claim() or self._under_way):
                idle_since = now
            elif not self._under_way:
                if over:
                    return self._claims.any_due()
                if now - idle_since >= seconds and not self._claims.any_due(SOON_SECONDS):
                    return False
            with self._changed:
                self._changed.wait(LOOK_SECONDS)

    def _claim(self) -> bool:
        """Begin as many as there is room for; whether there were any."""
        room = self._concurrency - self._under_way
        if not room:
            return False
        claimed_at = time.monotonic()
        try:
            claims = self._claims.claim(room)
        except SQLAlchemyError as error:
            logs.event("webhooks_wait", level=logs.WARNING, error=type(error).__name__)
            return False
        for claim in claims:
            with self._changed:
                self._under_way += 1
            threading.Thread(target=self._run, args=(claim, claimed_at), name=claim.id, daemon=True).start()
        return bool(claims)

    # --- In the threads -----------------------------------------------------------------------------------------

    def _run(self, claim: Claim, claimed_at: float) -> None:
        try:
            self._attempt(claim, claimed_at)
        except Lost:
            metrics.WEBHOOK_DELIVERIES.labels("lost").inc()
            logs.event("webhook_delivery_lost", delivery=claim.id, attempt=claim.attempt)
        except SQLAlchemyError as error:  # its lease runs out: it is attempted again
            logs.event("webhook_delivery_waits", level=logs.WARNING, delivery=claim.id, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a defect is this delivery's alone
            logs.event("defect", level=logs.ERROR, delivery=claim.id, error=error)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()
            self._end_thread()

    def _attempt(self, claim: Claim, claimed_at: float) -> None:
        if time.monotonic() - claimed_at > self._freshness:
            raise Lost
        try:
            secrets = [self._vault.unseal(sealed) for sealed in claim.secrets]
        except InvalidSetting as error:
            logs.event("webhook_secret_not_read", level=logs.ERROR, webhook=claim.webhook_id, error=error.message)
            self._claims.give_back(claim, UNREADABLE_SECONDS)
            return
        given_up = claim.died and claim.failures > len(PAUSES)
        went = (
            Went(0, error="Attempts at it ended with the gateway's process.")
            if given_up
            else self._bring(claim, secrets)
        )
        disabled = self._claims.finish(claim, went)
        self._tell(claim, went)
        if disabled is not None:
            metrics.WEBHOOKS_DISABLED.labels(disabled.reason).inc()
            logs.event(
                "webhook_disabled",
                level=logs.ERROR,
                webhook=disabled.id,
                reason=disabled.reason,
                failures=disabled.failures,
                since=disabled.failing_since.isoformat(),
            )
            self._tell_disabled(disabled)

    def _bring(self, claim: Claim, secrets: list[str]) -> Went:
        began = time.monotonic()

        def milliseconds() -> int:
            return int((time.monotonic() - began) * 1000)

        headers = signed(secrets, claim.event_id, claim.payload, datetime.now(UTC))
        try:
            receipt = self._courier.bring(claim.url, headers, claim.payload)
        except TollhouseError as error:
            return Went(milliseconds(), error=error.message[:LONGEST_ERROR])
        return Went(milliseconds(), receipt.status, retry_after=receipt.retry_after)

    def _tell(self, claim: Claim, went: Went) -> None:
        over = went.gone or claim.failures >= len(PAUSES)
        outcome = "delivered" if went.arrived else "given_up" if over else "failed"
        metrics.WEBHOOK_DELIVERIES.labels(outcome).inc()
        logs.event(
            "webhook_delivery",
            level=logs.INFO if went.arrived else logs.WARNING,
            webhook=claim.webhook_id,
            delivery=claim.id,
            event_type=claim.event_type,
            attempt=claim.attempt,
            outcome=outcome,
            status=went.status,
            error=went.error,
            milliseconds=went.milliseconds,
        )
