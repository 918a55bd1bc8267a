"""The catalogue in memory: one snapshot a version, read again within half a second of a change."""

import threading
import time
from collections.abc import Callable
from typing import get_args

from sqlalchemy import select

from tollhouse import logs, metrics
from tollhouse.domain.call import Unit
from tollhouse.domain.errors import InvalidSetting
from tollhouse.domain.money import Prices, Tariff
from tollhouse.domain.ports import Listing, PriceList, Upstreams, Vault
from tollhouse.domain.routes import Catalogue, Host, Target
from tollhouse.services.limits import limit_of
from tollhouse.services.providers import host_of
from tollhouse.store.changes import current_version
from tollhouse.store.database import Database
from tollhouse.store.records import LimitRecord, ModelRecord, ProviderRecord
from tollhouse.wire import FORMATS

POLL_SECONDS = 0.5
LOST_SECONDS = 3.0
DEFAULT_OUTPUT_CAP = 4096


class CatalogueReader:
    """Keeps `current` up to date. `start` polls the change counter; `hurry` polls it now."""

    def __init__(self, database: Database, vault: Vault, upstreams: Upstreams, prices: PriceList, process: str) -> None:
        self.current = Catalogue(-1, {}, {})
        self._database = database
        self._vault = vault
        self._upstreams = upstreams
        self._prices = prices
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
            providers = {row.id: row for row in session.scalars(select(ProviderRecord))}
            models = list(session.scalars(select(ModelRecord)))
            limits = [limit_of(row) for row in session.scalars(select(LimitRecord))]
        # At once: a key that was revoked must end whatever becomes of the rest.
        self._tell()
        hosts = {id: host for id, row in providers.items() if (host := self._host(row)) is not None}
        targets = {row.name: self._target(row, hosts[row.provider_id]) for row in models if row.provider_id in hosts}
        routes = {
            row.name: tuple(targets[name] for name in (row.name, *row.fallbacks) if name in targets)
            for row in models
            if row.name in targets
        }
        created = {row.name: int(row.created_at.timestamp()) for row in models}
        # And once more: whoever sees the new version must not act on what was cached under the old.
        self._tell()
        self.current = Catalogue(version, routes, created, {limit.scope: limit for limit in limits})
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

    def _host(self, row: ProviderRecord) -> Host | None:
        try:
            return host_of(row, self._vault)
        except InvalidSetting as error:
            logs.event("provider_left_out", level=logs.ERROR, provider=row.name, error=error.message)
            return None

    def _target(self, row: ModelRecord, host: Host) -> Target:
        listing = self._listing(row, host)
        window = row.context_window or (listing.context_window if listing else None)
        return Target(
            model=row.name,
            upstream_model=row.upstream_model,
            host=host,
            tariff=listing.tariff if listing else None,
            context_window=window,
            max_output=row.max_output,
            default_output_cap=min(DEFAULT_OUTPUT_CAP, row.max_output or DEFAULT_OUTPUT_CAP),
            formats=self._upstreams.formats(host) & FORMATS.keys(),
            media_tariff=listing.media_tariff if listing else None,
            unit_prices=listing.unit_prices if listing else {},
        )

    def _listing(self, row: ModelRecord, host: Host) -> Listing | None:
        """What the row says goes before what the price list says."""
        units: dict[Unit, int] = {}
        if row.unit_price is not None:
            # Of whatever a call of this model counts.
            units = dict.fromkeys(get_args(Unit), row.unit_price * 1000)
        if row.input_price is None or row.output_price is None:
            if units:
                return Listing(None, None, None, units)
            vendor = host.vendor or self._upstreams.vendor(host) or self._prices.vendor_of(host.base_url)
            return self._prices.find(vendor, row.upstream_model) if vendor else None
        write = row.input_price
        if "chat" not in self._upstreams.formats(host):
            # Anthropic's rule for its own models, and the dearer side to be wrong on.
            write = -(-row.input_price * 5 // 4)
        own = Tariff(Prices(row.input_price, row.input_price, write, row.output_price))
        return Listing(own, None, None, units)
