"""Probes: every provider is asked now and then whether it answers, by the cheapest call that it has."""

from collections.abc import Callable, Sequence

from tollhouse import logs, metrics
from tollhouse.services.provider_check import ProviderCheck
from tollhouse.services.provider_events import DOWN, NOBODY, REFUSED, TellsOfProviders


class Probes:
    """Tells what it found by metrics, and of each provider that is not well by a log line and an event."""

    def __init__(self, check: Callable[[], Sequence[ProviderCheck]], events: TellsOfProviders = NOBODY) -> None:
        self._check = check
        self._events = events

    def run(self) -> list[ProviderCheck]:
        """All that were asked."""
        found = list(self._check())
        for one in found:
            metrics.PROVIDERS_UP.labels(one.name).set(1 if one.ok else 0)
            if not one.ok:
                logs.event("provider_unwell", level=logs.WARNING, provider=one.name, error=one.problem)
                self._events.tell(REFUSED if one.refused else DOWN, one.name, one.problem or "")
        return found
