"""What webhooks are told of providers: that one does not answer, or refuses its credential; once an hour each."""

import threading
from collections.abc import Callable
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs
from tollhouse.domain.webhooks import Event, same_id
from tollhouse.services.outbox import Tells
from tollhouse.store.database import Database

DOWN, REFUSED = "provider.down", "provider.credential_refused"
HOUR = "%Y-%m-%dT%H"

Beside = Callable[[Callable[[], None]], object]
"""Does a piece of work where nobody waits for it."""


class TellsOfProviders(Protocol):
    """What those need who see how providers are."""

    def tell(self, kind: str, provider: str, problem: str, model: str | None = None) -> None: ...


class _Nobody:
    def tell(self, kind: str, provider: str, problem: str, model: str | None = None) -> None:
        pass


NOBODY: TellsOfProviders = _Nobody()


class ProviderEvents:
    """Any process may tell what it sees: which of them was the first in an hour, the database knows."""

    def __init__(self, database: Database, outbox: Tells, beside: Beside | None = None) -> None:
        self._database = database
        self._outbox = outbox
        self._beside = beside or _in_a_thread

    def tell(self, kind: str, provider: str, problem: str, model: str | None = None) -> None:
        """Return at once: a call may be what saw it."""
        self._beside(lambda: self._write(kind, provider, problem, model))

    def _write(self, kind: str, provider: str, problem: str, model: str | None) -> None:
        try:
            with self._database.write() as session:
                id = same_id(kind, provider, self._database.now(session).strftime(HOUR))
                data = {"provider": provider, "problem": problem, "model": model}
                self._outbox.add(session, Event(kind, None, data, id))
        except SQLAlchemyError as error:  # whoever sees it next tells it
            logs.event("provider_event_lost", level=logs.WARNING, provider=provider, error=type(error).__name__)


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="provider event", daemon=True).start()
