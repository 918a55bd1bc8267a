"""What is wrong with the gateway just now, as far as its tables and its processes' metrics show it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from tollhouse.services.troubles.survey import Standing
from tollhouse.store.database import Database
from tollhouse.store.records import LedgerRecord, ProbeRecord, ProviderRecord

WINDOW = timedelta(seconds=60)
"""In which failures are counted."""
LEAST_CALLS = 20
"""Of fewer, a share says nothing."""
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Sign:
    """`kind` and `subject` say which trouble it is: as long as they stay, it is one. `text` is for people."""

    kind: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is a trouble: a share of failed calls, and seconds."""

    errors: float = 0.2
    queue_seconds: float = 300.0
    lag_seconds: float = 30.0


class Signs:
    """Asked by whoever leads, every few seconds."""

    def __init__(
        self, database: Database, thresholds: Thresholds, *, ledger_lag: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`ledger_lag` is that of this machine's processes, in seconds."""
        self._database = database
        self._thresholds = thresholds
        self._ledger_lag = ledger_lag

    def read(self, standing: Standing) -> list[Sign]:
        """All there are. Raises what the database raises."""
        found = [*self._of_queues(standing), *self._of_ledger()]
        with self._database.read() as session:
            found += self._of_probes(session)
            found += self._of_calls(session)
        return found

    def _of_queues(self, standing: Standing) -> Iterator[Sign]:
        for name, queue in standing.queues.items():
            if queue.age >= self._thresholds.queue_seconds:
                yield Sign(
                    "queue_age",
                    name,
                    f"{queue.depth} of the queue {name} wait, the oldest for {queue.age:.0f} s: look whether "
                    "workers run (TOLLHOUSE_WORKERS), and what they log.",
                )

    def _of_ledger(self) -> Iterator[Sign]:
        lag = self._ledger_lag()
        if lag >= self._thresholds.lag_seconds:
            yield Sign(
                "ledger_lag",
                "ledger",
                f"Settlements have been left unwritten for {lag:.0f} s: look at the database's load and locks.",
            )

    def _of_probes(self, session: Session) -> Iterator[Sign]:
        asked = select(ProbeRecord).join(ProviderRecord, ProviderRecord.name == ProbeRecord.provider)
        for row in session.scalars(asked.where(ProbeRecord.ok.is_(False))):
            kind = "credential_bad" if row.refused else "provider_down"
            text = f"{row.problem or 'It does not answer.'} `tollhouse providers check` asks again."
            yield Sign(kind, row.provider, text)

    def _of_calls(self, session: Session) -> Iterator[Sign]:
        row = LedgerRecord
        failed = func.sum(case((and_(row.outcome.like("upstream%"), row.status >= SERVER_ERROR), 1), else_=0))
        since = self._database.now(session) - WINDOW
        asked = select(row.provider, func.count(), failed).where(row.booked_at >= since, row.kind != "adjustment")
        for provider, calls, bad in session.execute(asked.group_by(row.provider)):
            if calls >= LEAST_CALLS and bad >= calls * self._thresholds.errors:
                yield Sign(
                    "error_rate",
                    provider,
                    f"{bad} of the {calls} calls to {provider} in the last minute have failed: the log has each.",
                )
