"""The catalogue in memory: one snapshot a version, read again within half a second of a change."""

import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import select

from tollhouse import logs, metrics
from tollhouse.domain.errors import InvalidSetting
from tollhouse.domain.ports import PriceList, Upstreams, Vault
from tollhouse.domain.routes import Catalogue, Host
from tollhouse.services.models.model_prices import terms_of
from tollhouse.services.models.providers import host_of
from tollhouse.services.models.route_map import RouteMap
from tollhouse.services.models.targets import Targets
from tollhouse.services.money.limits import limit_of
from tollhouse.store.changes import current_version
from tollhouse.store.database import Database
from tollhouse.store.records import (
    DeploymentRecord,
    LimitRecord,
    ModelRecord,
    PriceTermsRecord,
    ProviderKeyRecord,
    ProviderRecord,
    RouteRecord,
    TeamRecord,
)

POLL_SECONDS = 0.5
LOST_SECONDS = 3.0


class CatalogueReader:
    """Keeps `current` up to date. `start` polls the change counter; `hurry` polls it now."""

    def __init__(self, database: Database, vault: Vault, upstreams: Upstreams, prices: PriceList, process: str) -> None:
        self.current = Catalogue(-1, {}, {})
        self._database = database
        self._vault = vault
        self._targets = Targets(upstreams, prices)
        self._process = process
        self._listeners: list[Callable[[], None]] = []
        self._hurry = threading.Event()
        self._stopped = False
        self._read_at = time.monotonic()

    @property
    def follows(self) -> bool:
        """Whether the database has told its version lately. Asks nobody."""
        return time.monotonic() - self._read_at < LOST_SECONDS

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this after every change of the database that the catalogue follows."""
        self._listeners.append(listener)

    def start(self) -> None:
        threading.Thread(target=self._poll, name="catalogue", daemon=True).start()

    def stop(self) -> None:
        self._stopped = True
        self._hurry.set()

    def hurry(self, version: int) -> None:
        """Somebody saw this version: read it now if it is news. Returns at once."""
        if version != self.current.version:
            self._hurry.set()

    def refresh(self) -> None:
        """Read the catalogue if it has changed. Raises what the database raises; `current` then stays."""
        with self._database.read() as session:
            version = current_version(session)
            self._read_at = time.monotonic()
            if version == self.current.version:
                return
            keys = list(session.scalars(select(ProviderKeyRecord).order_by(ProviderKeyRecord.id)))
            providers = {row.id: row for row in session.scalars(select(ProviderRecord))}
            models = list(session.scalars(select(ModelRecord).order_by(ModelRecord.id)))
            rows = list(session.scalars(select(RouteRecord)))
            deployments = list(session.scalars(select(DeploymentRecord).order_by(DeploymentRecord.id)))
            terms = {row.model_id: terms_of(row) for row in session.scalars(select(PriceTermsRecord))}
            keeping = frozenset(session.scalars(select(TeamRecord.id).where(TeamRecord.payload_days.is_not(None))))
            limits = [limit_of(row) for row in session.scalars(select(LimitRecord))]
        # At once: a key that was revoked must end whatever becomes of the rest.
        self._tell()
        hosts = {id: host for id, row in providers.items() if (host := self._host(row, keys)) is not None}
        self._targets.use_terms(terms)
        routes = RouteMap(self._targets, hosts, models, rows, deployments)
        named, wildcards, created = routes.named(), routes.wildcards(), routes.created()
        # And once more: whoever sees the new version must not act on what was cached under the old.
        self._tell()
        limits_by_scope = {limit.scope: limit for limit in limits}
        self.current = Catalogue(version, named, created, limits_by_scope, wildcards, keeping)
        metrics.CATALOGUE_VERSION.labels(self._process).set(version)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _poll(self) -> None:
        lost = False
        while not self._stopped:
            try:
                self.refresh()
                if lost:
                    logs.event("catalogue_back", version=self.current.version)
                lost = False
            except Exception as error:  # noqa: BLE001 - whatever it is, the catalogue stays and is read again
                if not lost:
                    logs.event("catalogue_stale", level=logs.WARNING, error=type(error).__name__)
                lost = True
                self._read_at = -LOST_SECONDS
            self._hurry.wait(POLL_SECONDS)
            self._hurry.clear()

    def _host(self, row: ProviderRecord, keys: Sequence[ProviderKeyRecord]) -> Host | None:
        try:
            return host_of(
                row, self._vault, [key for key in keys if key.provider_id == row.id and self._opens(row, key)]
            )
        except InvalidSetting as error:
            logs.event("provider_left_out", level=logs.ERROR, provider=row.name, error=error.message)
            return None

    def _opens(self, row: ProviderRecord, key: ProviderKeyRecord) -> bool:
        try:
            self._vault.unseal(key.credential)
        except InvalidSetting as error:
            logs.event(
                "provider_key_left_out", level=logs.ERROR, provider=row.name, provider_key=key.name, error=error.message
            )
            return False
        return True
