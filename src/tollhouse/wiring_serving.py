"""What the wiring makes for a process that makes calls."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from tollhouse.services.background.responses import BackgroundResponses
from tollhouse.services.calls.fleet import Fleet
from tollhouse.services.calls.request_notes import RequestNotes
from tollhouse.services.inference import Inference
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.responses.responses import Responses
from tollhouse.store.instances import Instance
from tollhouse.store.ledger.writer import LedgerWriter

if TYPE_CHECKING:
    from tollhouse.kv.breaker import RedisBreakerNews
    from tollhouse.kv.cache import RedisCache
    from tollhouse.kv.limiter import RedisLimiter


@dataclass(frozen=True, slots=True)
class Serving:
    """What a process has that makes calls: a ledger writer and a catalogue that follow the database."""

    inference: Inference
    responses: Responses
    background: BackgroundResponses
    catalogue: CatalogueReader
    ledger: LedgerWriter
    instance: Instance
    limiter: "RedisLimiter"
    fleet: Fleet
    breaker_news: "RedisBreakerNews"
    cache: "RedisCache | None"
    notes: RequestNotes

    @property
    def available(self) -> bool:
        """Whether the database answers, as far as this process has seen. Asks nobody."""
        return self.ledger.available and self.catalogue.follows

    def stop(self) -> None:
        """Write what the ledger still has, and end whatever was begun."""
        self.catalogue.stop()
        self.fleet.stop()
        self.limiter.stop()
        self.breaker_news.stop()
        if self.cache is not None:
            self.cache.close()
        self.notes.stop()
        if self.ledger.stop():
            with suppress(SQLAlchemyError):  # then its lease runs out
                self.instance.end()
