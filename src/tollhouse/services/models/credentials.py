"""Credentials that a provider refuses: told once a minute, for whoever can mend that."""

import threading
import time
from collections.abc import Callable
from typing import Any

from tollhouse import logs, metrics
from tollhouse.domain.errors import UpstreamError, UpstreamRejected
from tollhouse.domain.routes import Host, HostKey
from tollhouse.services.models.provider_events import NOBODY, TellsOfProviders
from tollhouse.services.models.provider_events import REFUSED as NOT_TAKEN

TELL_SECONDS = 60.0
REFUSED = (401, 403)


def is_refusal(error: Exception) -> bool:
    """Whether the host says with it that it does not take its credential."""
    return isinstance(error, UpstreamRejected) and error.upstream_status in REFUSED


class Credentials:
    """What this process has seen of all providers' credentials."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, events: TellsOfProviders = NOBODY) -> None:
        self._clock = clock
        self._events = events
        self._refused: dict[str, dict[str, float]] = {}
        """By provider, and by the name of its key, "" for the only one: when that was told."""
        self._lock = threading.Lock()

    def failed(self, host: Host, error: UpstreamError, key: HostKey | None = None) -> None:
        """An attempt there ended so: a status that says that the provider does not take its credential is told."""
        if not isinstance(error, UpstreamRejected) or not is_refusal(error):
            return
        metrics.CREDENTIAL_REFUSALS.labels(host.name).inc()
        now, name = self._clock(), key.name if key else ""
        with self._lock:
            refused = self._refused.setdefault(host.name, {})
            told_at = refused.get(name)
            if told_at is not None and now - told_at < TELL_SECONDS:
                return
            refused[name] = now
        metrics.CREDENTIALS_BAD.labels(host.name).set(1)
        which = f"its key {name}" if key else "its key"
        named: dict[str, Any] = {"provider_key": name} if key else {}
        logs.event(
            "credential_refused",
            level=logs.ERROR,
            provider=host.name,
            status=error.upstream_status,
            error=f"The provider {host.name} refuses {which}: set it anew with `tollhouse providers keys renew`, and "
            "see `tollhouse providers check`.",
            **named,
        )
        self._events.tell(NOT_TAKEN, host.name, f"It answered with {error.upstream_status}.")

    def worked(self, host: Host, key: HostKey | None = None) -> None:
        """It took its credential."""
        if not self._refused or (refused := self._refused.get(host.name)) is None:
            return
        name = key.name if key else ""
        with self._lock:
            known = {one.name for one in host.keys} or {""}
            gone = [one for one in refused if one == name or one not in known]
            for one in gone:
                del refused[one]  # taken, or taken away
            well = not refused
        if not gone:
            return
        if well:
            metrics.CREDENTIALS_BAD.labels(host.name).set(0)
        named: dict[str, Any] = {"provider_key": name} if key else {}
        logs.event("credential_taken", provider=host.name, **named)
