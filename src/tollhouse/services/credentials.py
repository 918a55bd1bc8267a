"""Credentials that a provider refuses: told once a minute, for whoever can mend that."""

import threading
import time
from collections.abc import Callable

from tollhouse import logs, metrics
from tollhouse.domain.errors import UpstreamError, UpstreamRejected
from tollhouse.domain.routes import Host

TELL_SECONDS = 60.0
REFUSED = (401, 403)


class Credentials:
    """What this process has seen of all providers' credentials."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, float] = {}
        self._lock = threading.Lock()

    def failed(self, host: Host, error: UpstreamError) -> None:
        """An attempt there ended so: a status that says that the provider does not take its credential is told."""
        if not isinstance(error, UpstreamRejected) or error.upstream_status not in REFUSED:
            return
        metrics.CREDENTIAL_REFUSALS.labels(host.name).inc()
        now = self._clock()
        with self._lock:
            told_at = self._refused.get(host.name)
            if told_at is not None and now - told_at < TELL_SECONDS:
                return
            self._refused[host.name] = now
        metrics.CREDENTIALS_BAD.labels(host.name).set(1)
        logs.event(
            "credential_refused",
            level=logs.ERROR,
            provider=host.name,
            status=error.upstream_status,
            error=f"The provider {host.name} refuses its key: set it anew with `tollhouse providers`, and see "
            "`tollhouse providers check`.",
        )

    def worked(self, host: Host) -> None:
        """It took its credential."""
        if self._refused and self._refused.pop(host.name, None) is not None:
            metrics.CREDENTIALS_BAD.labels(host.name).set(0)
            logs.event("credential_taken", provider=host.name)
