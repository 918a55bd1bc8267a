"""Puts everything together: the only module that knows both use cases and adapters."""

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs, traces
from tollhouse.domain.ports import QUEUE, JobQueue, Outside, ReplyCache, at_once
from tollhouse.jobs.registry import kinds
from tollhouse.outside import beside_the_loop, end_thread, outside_the_loop
from tollhouse.providers.price_list import PublishedPrices
from tollhouse.providers.upstreams import HttpUpstreams
from tollhouse.services.background.responses import BackgroundResponses
from tollhouse.services.bootstrap import Bootstrap, Prepared
from tollhouse.services.caching.caching import Caching
from tollhouse.services.calls.admission import Admission
from tollhouse.services.calls.breakers import Breakers
from tollhouse.services.calls.capacity import Capacity
from tollhouse.services.calls.fleet import Fleet
from tollhouse.services.calls.limiting import Limiting
from tollhouse.services.calls.payload_log import PayloadLog
from tollhouse.services.calls.recovery import Recovery
from tollhouse.services.calls.remainders import NO_REMAINDERS, Remainders
from tollhouse.services.calls.request_notes import RequestNotes
from tollhouse.services.calls.tries import RetryPolicy
from tollhouse.services.inference import Inference
from tollhouse.services.keys.server_secrets import ServerSecrets
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.models.credentials import Credentials
from tollhouse.services.models.probes import Probes
from tollhouse.services.models.provider_events import ProviderEvents
from tollhouse.services.outbox import Outbox
from tollhouse.services.repeats.idempotency import Idempotency
from tollhouse.services.repeats.repeats import Repeats
from tollhouse.services.responses.conversations import Conversations
from tollhouse.services.responses.responses import Responses
from tollhouse.services.responses.stored_responses import StoredResponses
from tollhouse.services.troubles.health import Health
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.store.faults import is_outage
from tollhouse.store.instances import Instance
from tollhouse.store.leases import Leases
from tollhouse.store.ledger.spool import Spool
from tollhouse.store.ledger.writer import LedgerWriter
from tollhouse.store.secret_key import confirm_not_lost, confirm_secret_keys, is_lost
from tollhouse.store.secret_ring import SecretRing
from tollhouse.store.vault import FernetVault
from tollhouse.wiring_alerts import Alerts
from tollhouse.wiring_batches import Calling
from tollhouse.wiring_jobs import Planned
from tollhouse.wiring_people import People
from tollhouse.wiring_reports import Reports
from tollhouse.wiring_serving import Serving
from tollhouse.wiring_setup import SetUp
from tollhouse.wiring_webhooks import Hooks

if TYPE_CHECKING:
    from tollhouse.kv.cache import RedisCache
    from tollhouse.store.schema import Schema

Process = Literal["web", "worker", "scheduler", "cli"]
EMBEDDED_DATABASE = "tollhouse.db"
LARGE_BODIES_AT_ONCE = 2
"""Threads that read large bodies: the interpreter runs one at a time anyway."""
SPOOL = "spool"
"""Folder of the home in which settlements wait for a database that is away."""


class Services(People, Hooks, SetUp, Reports, Planned, Alerts):
    """The services of one process, each made when it is first asked for. Made after a fork; close it once."""

    def __init__(self, settings: Settings, process: Process) -> None:
        self.settings = settings
        self.process = process
        self._serving: Serving | None = None

    @cached_property
    def outside(self) -> Outside:
        """For work that takes the processor for long, such as reading a large body."""
        return outside_the_loop(LARGE_BODIES_AT_ONCE)

    @cached_property
    def database(self) -> Database:
        return Database(database_url(self.settings), cooperative=self.process == "web", outside=outside_the_loop())

    @cached_property
    def schema(self) -> "Schema":
        # Flask-Migrate takes 0.2 s to import, which only those pay who migrate.
        from tollhouse.store.schema import Schema

        return Schema(self.database)

    @cached_property
    def secrets(self) -> ServerSecrets:
        return ServerSecrets(self.database, self._ring, self._vault, self.mint)

    @cached_property
    def probes(self) -> Probes:
        # At once: the process ends with the probes.
        return Probes(self.providers.check, self.database, ProviderEvents(self.database, self.outbox, at_once))

    @cached_property
    def snapshot(self) -> CatalogueReader:
        """The catalogue as it is now, for who makes no calls."""
        catalogue = CatalogueReader(self.database, self._vault, self._upstreams, self._prices, self.process)
        catalogue.refresh()
        return catalogue

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.database, self._vault)

    @cached_property
    def repeats(self) -> Repeats:
        return Repeats(self.idempotency, self.settings.idempotency_bytes)

    @cached_property
    def stored_responses(self) -> StoredResponses:
        return StoredResponses(self.database, days=self.settings.responses_days, outbox=self.outbox)

    @cached_property
    def conversations(self) -> Conversations:
        return Conversations(self.database, stores=self.settings.store_responses == "on")

    @cached_property
    def leases(self) -> Leases:
        return Leases(self.database)

    @cached_property
    def recovery(self) -> Recovery:
        return Recovery(self.database, self.settings.unknown_calls)

    @cached_property
    def queue(self) -> JobQueue:
        # RQ takes 0.3 s to import, which most commands need not pay.
        from tollhouse.kv.connection import redis_url
        from tollhouse.kv.queue import RqQueue

        return RqQueue(redis_url(self.settings), lambda kind: kinds()[kind].queue if kind in kinds() else QUEUE)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.database, lambda: self.queue.enqueue("deliver_webhooks"))

    @cached_property
    def health(self) -> Health:
        return Health(
            self.settings,
            self.database,
            lambda: self.schema,
            self.queue,
            self.providers,
            survey=self.survey,
            serves=lambda: self._serving is not None and self._serving.available,
            shares_limits=lambda: self._serving is None or self._serving.limiter.shared,
        )

    @cached_property
    def bootstrap(self) -> Bootstrap:
        return Bootstrap(
            self.settings,
            upgrade=self._upgrade,
            users=self.users,
            keys=self.keys,
            providers=self.providers,
            models=self.models,
            prices=self._prices,
        )

    def serve(self) -> Serving:
        """Begin to make calls in this process: its ledger writer and its catalogue. A database that is away is
        waited for: until then calls are refused.
        """
        if self._serving is None:
            from tollhouse.kv.breaker import RedisBreakerNews
            from tollhouse.kv.connection import redis_url
            from tollhouse.kv.limiter import RedisLimiter

            catalogue = CatalogueReader(self.database, self._vault, self._upstreams, self._prices, self.process)
            catalogue.on_change(self.authentication.forget)
            catalogue.on_change(self.secrets.follow)
            self._read(catalogue)
            instance = Instance(self.database, self.process)
            spool = Spool(self.settings.home / SPOOL, instance.id)
            ledger = LedgerWriter(
                self.database, instance, spool, on_version=catalogue.hurry, outside=outside_the_loop()
            )
            admission = Admission(ledger, refuse_unpriced=self.settings.unknown_price == "refuse")
            fleet = Fleet(self.database, matters=lambda: bool(catalogue.current.limits))
            limiter = RedisLimiter(redis_url(self.settings), lambda: fleet.size)
            limiting = Limiting(limiter)
            breakers = Breakers(
                self.settings.breaker_failures, self.settings.breaker_seconds, events=self.provider_events
            )
            news = RedisBreakerNews(redis_url(self.settings), breakers.hear)
            if self.settings.breaker_failures:
                breakers.tell(news)
                news.start()
            cache = self._reply_cache()
            notes = RequestNotes(
                self.database,
                self.boxes,
                most_bytes=self.settings.payload_queue_bytes,
                tells_failures=self.settings.failed_request_days > 0,
                outside=self.outside,
            )
            inference = Inference(
                catalogue,
                limiting,
                admission,
                ledger,
                self._upstreams,
                max_reply_bytes=self.settings.max_reply_bytes,
                policy=RetryPolicy(
                    self.settings.retries, self.settings.retry_seconds, self.settings.retry_pause_seconds
                ),
                breakers=breakers,
                credentials=Credentials(events=self.provider_events),
                capacity=Capacity(self.settings.open_calls if self.process == "web" else 0),
                remainders=Remainders(beside=beside_the_loop()) if self._reads_on else NO_REMAINDERS,
                caching=self._caching(cache) if cache else None,
                payloads=PayloadLog(notes, self.settings.payload_bytes),
                outside=self.outside,
            )
            responses = Responses(
                inference,
                self.database,
                self.stored_responses,
                stores=self.settings.store_responses == "on",
                longest=self.settings.max_body_bytes,
            )
            ledger.start()
            catalogue.start()
            fleet.start()
            background = BackgroundResponses(
                responses,
                self.database,
                self.stored_responses,
                wait_seconds=self.settings.background_wait_seconds,
                wake=lambda: self.queue.enqueue("respond_in_background"),
            )
            self._serving = Serving(
                inference, responses, background, catalogue, ledger, instance, limiter, fleet, news, cache, notes
            )
        return self._serving

    def _reply_cache(self) -> "RedisCache | None":
        from tollhouse.kv.cache import RedisCache
        from tollhouse.kv.connection import redis_url

        most = self.settings.cache_bytes
        return RedisCache(redis_url(self.settings), most) if most else None

    def _caching(self, kept: ReplyCache) -> Caching:
        seconds = self.settings.cache_embedding_seconds
        return Caching(kept, beside=beside_the_loop(), outside=self.outside, embedding_seconds=seconds)

    @property
    def _reads_on(self) -> bool:
        # Elsewhere a thread's connections are its own: no other could read on.
        return self.settings.client_gone == "read" and self.process == "web"

    @property
    def _calling(self) -> Calling:
        serving = self.serve()
        ways = {"/v1/responses": serving.responses.open}

        def end() -> None:
            self._upstreams.close()
            end_thread()

        return Calling(
            lambda endpoint: ways.get(endpoint, serving.inference.open),
            serving.responses,
            serving.catalogue,
            self._upstreams,
            serving.instance.id,
            end,
        )

    def _read(self, catalogue: CatalogueReader) -> None:
        try:
            catalogue.refresh()
        except SQLAlchemyError as error:
            if not is_outage(error):
                raise
            logs.event("database_away", level=logs.ERROR, error=str(getattr(error, "orig", error)))

    def close(self) -> None:
        """Write what the ledger still has, and let go of everything."""
        if "repeats" in self.__dict__:
            self.repeats.stop()
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.stop()
        if "queue" in self.__dict__:
            self.queue.close()
        self.close_people()
        if "_upstreams" in self.__dict__:
            self._upstreams.close()
        if "database" in self.__dict__:
            self.database.close()
        traces.flush()
        logs.flush()

    def _upgrade(self) -> None:
        self.schema.upgrade()
        confirm_secret_keys(self.database, self._ring.secrets)

    @cached_property
    def _ring(self) -> SecretRing:
        with suppress(SQLAlchemyError):  # the database is away, or has no tables yet
            if is_lost(self.settings) and (self.settings.home / EMBEDDED_DATABASE).exists():
                confirm_not_lost(self.database, self.settings)
        ring = SecretRing(self.settings)
        with suppress(SQLAlchemyError):
            confirm_secret_keys(self.database, ring.secrets)
        return ring

    @cached_property
    def _vault(self) -> FernetVault:
        return self._told(FernetVault(*self._ring.secrets))

    @cached_property
    def _upstreams(self) -> HttpUpstreams:
        return HttpUpstreams(self.settings)

    @cached_property
    def _prices(self) -> PublishedPrices:
        return PublishedPrices()


def build(settings: Settings, process: Process) -> Services:
    """The services of a process of this kind."""
    return Services(settings, process)


def prepare(settings: Settings, local_model_url: str | None = None, local_model_key: str | None = None) -> Prepared:
    """Make the database ready for the processes that `up` starts."""
    services = build(settings, "cli")
    try:
        return services.bootstrap.prepare(local_model_url, local_model_key)
    finally:
        services.close()


def database_url(settings: Settings) -> str:
    """The database's URL, by default SQLite in the home."""
    return settings.database_url or f"sqlite:///{settings.home / EMBEDDED_DATABASE}"
