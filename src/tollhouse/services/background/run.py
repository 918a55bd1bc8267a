"""The engine of responses in the background: claims what is due, makes many at once, ends each of them once.

The tables are the truth: whatever dies here, what it had comes free again.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs, metrics
from tollhouse.domain.errors import ClientGone, TollhouseError, Unauthenticated
from tollhouse.domain.ports import Interruptible
from tollhouse.domain.principal import Principal
from tollhouse.services.background.call import LONGEST_WAIT, WAIT_SECONDS, BackgroundCall, Ended, Later, failed_by
from tollhouse.services.background.claims import Claim, Claims, Lost
from tollhouse.services.background.events import EventLog

LOOK_SECONDS = 0.25
"""How often it is looked what is due."""
KEEP_SECONDS = 1.0
"""How often this process says that it lives, and hears what was cancelled."""
FLUSH_SECONDS = 0.2


class Owners(Protocol):
    """What the run needs of services/keys/authentication.py."""

    def owner(self, key_id: str, team_id: str) -> Principal: ...


@dataclass(frozen=True, slots=True)
class _Attempt:
    claim: Claim
    log: EventLog


class BackgroundRun:
    """One run in one process. `work` it once."""

    def __init__(
        self,
        claims: Claims,
        call: BackgroundCall,
        owners: Owners,
        *,
        concurrency: int,
        attempts: int,
        interruptible: Interruptible,
        end_thread: Callable[[], object] = lambda: None,
        asked_to_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """`concurrency` are made at once; each has so many `attempts`. Each thread calls `end_thread` when it ends. No
        more are begun once it is `asked_to_stop`.
        """
        self._claims = claims
        self._call = call
        self._owners = owners
        self._concurrency = concurrency
        self._attempts = attempts
        self._interruptible = interruptible
        self._end_thread = end_thread
        self._asked_to_stop = asked_to_stop
        self._under_way: dict[tuple[str, int], _Attempt] = {}
        self._changed = threading.Event()
        self._stopped = threading.Event()

    def work(self, seconds: float) -> bool:
        """Work until nothing has been due for so long, and all that was begun has ended; whether there is more."""
        keepers = [threading.Thread(target=work, daemon=True) for work in (self._keep, self._flush)]
        for keeper in keepers:
            keeper.start()
        idle_since = time.monotonic()
        try:
            while self._under_way or (time.monotonic() - idle_since < seconds and not self._asked_to_stop()):
                if self._claim() or self._under_way:
                    idle_since = time.monotonic()
                self._changed.wait(LOOK_SECONDS)
                self._changed.clear()
            return self._claims.any_open()
        finally:
            self._stopped.set()
            for keeper in keepers:
                keeper.join()

    def _claim(self) -> bool:
        """Begin as many as there is room for; whether there were any."""
        room = self._concurrency - len(self._under_way)
        if not room or self._asked_to_stop():
            return False
        try:
            claims = self._claims.claim(room)
        except SQLAlchemyError as error:
            logs.event("background_waits", level=logs.WARNING, error=type(error).__name__)
            return False
        for claim in claims:
            attempt = _Attempt(claim, EventLog(self._claims, claim))
            self._under_way[claim.id, claim.attempt] = attempt
            threading.Thread(target=self._run, args=(attempt,), name=claim.id, daemon=True).start()
        return bool(claims)

    # --- In the threads -----------------------------------------------------------------------------------------

    def _run(self, attempt: _Attempt) -> None:
        claim = attempt.claim
        try:
            self._interruptible(lambda: self._make(attempt), attempt.log.gone.is_set)
        except (Lost, ClientGone):
            metrics.BACKGROUND_RESPONSES.labels("lost").inc()
            logs.event("response_lost", response=claim.id, attempt=claim.attempt)
        except Exception as error:  # noqa: BLE001 - a defect is this response's alone
            logs.event("defect", level=logs.ERROR, response=claim.id, error=error)
            problem = TollhouseError("The gateway failed; its log has the reason.")
            with suppress(Lost):
                self._finish(attempt, Later(problem.message, None, failed=True, last=failed_by(claim, problem)))
        finally:
            del self._under_way[claim.id, claim.attempt]
            self._changed.set()
            self._end_thread()

    def _make(self, attempt: _Attempt) -> None:
        claim = attempt.claim
        if problem := self._given_up(claim):
            self._finish(attempt, Ended(failed_by(claim, problem)))
            return
        try:
            principal = self._owners.owner(claim.key_id, claim.team_id)
        except Unauthenticated as error:
            self._finish(attempt, Ended(failed_by(claim, error)))
        except SQLAlchemyError as error:
            told = failed_by(claim, TollhouseError("The database is away."))
            self._finish(attempt, Later(type(error).__name__, None, failed=False, last=told))
        else:
            self._call.make(principal, claim, attempt.log, lambda outcome: self._finish(attempt, outcome))

    def _given_up(self, claim: Claim) -> TollhouseError | None:
        """Why it is not called at all."""
        if claim.failures >= self._attempts and claim.died:
            return TollhouseError(
                f"The gateway's process died while this response was made, at the last of {claim.failures} attempts."
            )
        if claim.expired:
            waited = f": {claim.waits_for}" if claim.waits_for else "."
            return TollhouseError(f"This response waited longer than TOLLHOUSE_BACKGROUND_WAIT_SECONDS{waited}")
        return None

    def _finish(self, attempt: _Attempt, outcome: Ended | Later) -> None:
        """As soon as the database takes it: what was paid for is not thrown away. Raises Lost."""
        claim = attempt.claim
        if isinstance(outcome, Later) and outcome.failed and claim.failures + 1 >= self._attempts:
            outcome = Ended(outcome.last)
        if isinstance(outcome, Ended):
            document = attempt.log.shown(outcome.document)
            self._until_done(attempt, lambda: attempt.log.end(document))
            metrics.BACKGROUND_RESPONSES.labels(_status(document)).inc()
            logs.event("response_ended", response=claim.id, attempt=claim.attempt, ended=document.get("status"))
            return
        seconds = outcome.seconds
        if seconds is None:
            seconds = min(LONGEST_WAIT, WAIT_SECONDS * 2 ** min(claim.attempt - 1, 10))
        attempt.log.flush(now=True)
        self._until_done(attempt, lambda: self._claims.give_back(claim, seconds, outcome.reason, failed=outcome.failed))
        metrics.BACKGROUND_RESPONSES.labels("later").inc()
        logs.event("response_waits", response=claim.id, seconds=seconds, reason=outcome.reason)

    def _until_done(self, attempt: _Attempt, work: Callable[[], None]) -> None:
        pause = 0.05
        while True:
            try:
                return work()
            except (SQLAlchemyError, TollhouseError) as error:
                logs.event("background_waits", level=logs.WARNING, error=type(error).__name__)
            if attempt.log.gone.wait(pause):
                raise Lost
            pause = min(2 * pause, 2.0)

    # --- Beside them --------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._stopped.wait(KEEP_SECONDS):
            before = list(self._under_way.items())
            if not before:
                continue
            try:
                kept = self._claims.keep()
            except SQLAlchemyError as error:
                logs.event("background_waits", level=logs.WARNING, error=type(error).__name__)
                continue
            for name, attempt in before:
                if name not in kept:
                    attempt.log.gone.set()

    def _flush(self) -> None:
        """What a host said before it fell silent does not wait for what it says next."""
        while not self._stopped.wait(FLUSH_SECONDS):
            for attempt in list(self._under_way.values()):
                try:
                    attempt.log.flush()
                except Lost:
                    attempt.log.gone.set()


def _status(document: dict[str, object]) -> str:
    status = document.get("status")
    return str(status) if status in ("completed", "incomplete", "failed") else "other"
