"""Claims of calls that are under way are renewed while this process lives: what a dead one had comes free again."""

import threading
from collections.abc import Callable, Collection

from tollhouse import logs
from tollhouse.services.repeats.idempotency import LEASE, Claim

RENEW_SECONDS = LEASE.total_seconds() / 4


class ClaimRenewal:
    """Of one process. It has a thread only while there is something to renew."""

    def __init__(self, renew: Callable[[Collection[Claim]], None], seconds: float = RENEW_SECONDS) -> None:
        self._renew = renew
        self._seconds = seconds
        self._claims: set[Claim] = set()
        self._lock = threading.Lock()
        self._runs = False
        self._stopped = threading.Event()

    def add(self, claim: Claim) -> None:
        with self._lock:
            self._claims.add(claim)
            begins, self._runs = not self._runs, True
        if begins:
            threading.Thread(target=self._run, name="claim-renewal", daemon=True).start()

    def drop(self, claim: Claim) -> None:
        """It has ended. Idempotent."""
        with self._lock:
            self._claims.discard(claim)

    def stop(self) -> None:
        """Nothing is renewed any more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            with self._lock:
                claims = set(self._claims)
                if not claims:
                    self._runs = False
                    return
            try:
                self._renew(claims)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next time may be in time
                logs.event("claims_not_renewed", level=logs.ERROR, claims=len(claims), error=error)
