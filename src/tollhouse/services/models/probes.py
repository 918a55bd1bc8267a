"""Probes: every provider is asked now and then whether it answers, by the cheapest call that it has."""

from collections.abc import Callable, Sequence

from sqlalchemy import delete

from tollhouse import logs, metrics
from tollhouse.services.models.provider_check import ProviderCheck
from tollhouse.services.models.provider_events import DOWN, NOBODY, REFUSED, TellsOfProviders
from tollhouse.store.database import Database
from tollhouse.store.records import ProbeRecord


class Probes:
    """Tells what it found by metrics, and by rows for who looks for troubles; of each that is unwell by a log line and
    an event.
    """

    def __init__(
        self, check: Callable[[], Sequence[ProviderCheck]], database: Database, events: TellsOfProviders = NOBODY
    ) -> None:
        self._check = check
        self._database = database
        self._events = events

    def run(self) -> list[ProviderCheck]:
        """All that were asked."""
        found = list(self._check())
        with self._database.write() as session:
            now = self._database.now(session)
            session.execute(delete(ProbeRecord).where(ProbeRecord.provider.not_in([one.name for one in found])))
            for one in found:
                problem = None if one.problem is None else one.problem[:500]
                session.merge(
                    ProbeRecord(provider=one.name, ok=one.ok, refused=one.refused, problem=problem, probed_at=now)
                )
        for one in found:
            metrics.PROVIDERS_UP.labels(one.name).set(1 if one.ok else 0)
            if not one.ok:
                logs.event("provider_unwell", level=logs.WARNING, provider=one.name, error=one.problem)
                self._events.tell(REFUSED if one.refused else DOWN, one.name, one.problem or "")
        return found
