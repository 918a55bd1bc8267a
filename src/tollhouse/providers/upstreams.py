"""All hosts, behind the port `Upstreams`."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import gevent
import orjson

from tollhouse.domain.errors import (
    InvalidField,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamTimeout,
)
from tollhouse.domain.ports import Errand, Exchange, Outgoing
from tollhouse.domain.routes import Host, HostKey, Manners, Target
from tollhouse.providers.addresses import split_base_url
from tollhouse.providers.base import Preset
from tollhouse.providers.connections import Pool, check_ca_bundle
from tollhouse.providers.deadlines import Deadlines
from tollhouse.providers.echo.exchange import open_echo
from tollhouse.providers.endpoint import Endpoint
from tollhouse.providers.http import HttpExchange, Line, send
from tollhouse.providers.proxy import Proxy
from tollhouse.providers.registry import preset_at, presets
from tollhouse.providers.token_count import FORMAT as COUNT_TOKENS
from tollhouse.providers.token_count import UNKNOWN_THERE, EstimatedCount
from tollhouse.settings import Settings

LIST_MODELS_SECONDS = 5.0
MOST_LIST_BYTES = 8 << 20

_PoolKey = tuple[str, bool]


class HttpUpstreams:
    """The upstreams of one process, made after its fork. Threads may share it; each has its connections."""

    def __init__(self, settings: Settings) -> None:
        """InvalidSetting for a proxy or a CA bundle that is none."""
        check_ca_bundle(settings.ca_bundle)
        self._ca_bundle = settings.ca_bundle
        self._proxy = Proxy.of(settings)
        self._deadlines = Deadlines.of(settings)
        self._connections = settings.upstream_connections
        self._endpoints: dict[str, Endpoint] = {}
        # A gevent socket works in the hub, that is the thread, that made it.
        self._pools: WeakKeyDictionary[Any, dict[_PoolKey, Pool]] = WeakKeyDictionary()

    def open(self, target: Target, outgoing: Outgoing) -> Exchange:
        """Send, and return once the status is known, whatever it is. The exchange is the caller's to close.

        Raises UpstreamRefused, UpstreamTimeout, UpstreamGone, UpstreamInvalid.
        """
        if outgoing.format == COUNT_TOKENS:
            return self._count_tokens(target, outgoing)
        return self._send(target, outgoing)

    def _send(self, target: Target, outgoing: Outgoing) -> Exchange:
        host = target.host
        if _is_echo(host):
            return open_echo(host, outgoing, self._deadlines.under(target.timeouts))
        endpoint = self._endpoint(host, outgoing.key)
        line = self._line(endpoint, self._deadlines.under(target.timeouts))
        return send(line, endpoint.head(outgoing, target.upstream_model), outgoing.body)

    def _count_tokens(self, target: Target, outgoing: Outgoing) -> Exchange:
        """As the host counts, else as we do."""
        if COUNT_TOKENS not in _spoken(target.host):
            return EstimatedCount(outgoing.whole)
        exchange = self._send(target, outgoing)
        if exchange.status not in UNKNOWN_THERE:
            return exchange
        exchange.close()
        return EstimatedCount(outgoing.whole)

    def presets(self) -> Sequence[str]:
        """The kinds of host that are known, by name."""
        return sorted(presets())

    def formats(self, host: Host) -> frozenset[str]:
        """The wire formats that this host speaks, or that are answered here in its place; none, where this version
        does not know its preset.
        """
        spoken = _spoken(host)
        return spoken | {COUNT_TOKENS} if spoken else spoken

    def manners(self, host: Host) -> Manners:
        """How this host wants to be asked."""
        return _manners(host)

    def vendor(self, host: Host) -> str | None:
        """The price list's name of whoever bills for this host, as far as its preset tells."""
        preset = preset_at(host.preset, host.base_url)
        return preset.vendor_at(_hostname(host)) if preset else None

    def batch_interface(self, host: Host) -> str | None:
        """The name of the interface of batches that this host may have; None where none is known of it."""
        preset = None if _is_echo(host) else preset_at(host.preset, host.base_url)
        return preset.batches if preset else None

    def run_errand(self, host: Host, errand: Errand, key: HostKey | None = None) -> Exchange:
        """Send, with this of its several keys, and return once the status is known, whatever it is. The exchange is the
        caller's to close.

        Raises UpstreamRefused, UpstreamTimeout, UpstreamGone, UpstreamInvalid.
        """
        endpoint = self._endpoint(host, key)
        line, fresh = self._line(endpoint, self._deadlines), errand.method != "GET"
        return send(line, endpoint.errand_head(errand), errand.body, fresh=fresh)

    def list_models(self, host: Host, key: HostKey | None = None) -> Sequence[str]:
        """The models that the host itself names: the cheapest authenticated call it has, with this of its several keys.
        5 s at most.

        Raises UpstreamError; UpstreamRejected with the host's status when that is not 200.
        """
        if _is_echo(host):
            return ("echo",)
        timer = gevent.Timeout.start_new(LIST_MODELS_SECONDS)
        try:
            endpoint = self._endpoint(host, key)
            exchange = send(self._line(endpoint, self._deadlines), endpoint.models_head, b"")
            try:
                return _model_ids(exchange, host.name)
            finally:
                exchange.close()
        except gevent.Timeout as passed:
            if passed is not timer:
                raise
            raise UpstreamTimeout(
                f"Provider {host.name} did not list its models within {LIST_MODELS_SECONDS:g} s."
            ) from None
        finally:
            timer.close()

    def close(self) -> None:
        """End this thread's idle connections; those in use end when they are given back."""
        for pool in self._pools.pop(gevent.get_hub(), {}).values():
            pool.close()

    def _endpoint(self, host: Host, key: HostKey | None = None) -> Endpoint:
        id = host.id if key is None else key.id
        known = self._endpoints.get(id)
        if known is not None and (known.host is host or known.host == host):
            return known
        self._endpoints[id] = made = Endpoint(host, _preset(host), key)
        if known is not None:
            self._close_unused(_pool_key(known))
        return made

    def _line(self, endpoint: Endpoint, deadlines: Deadlines) -> Line:
        hub = gevent.get_hub()
        pools = self._pools.get(hub)
        if pools is None:
            pools = self._pools[hub] = {}
        key = _pool_key(endpoint)
        pool = pools.get(key)
        if pool is None:
            pool = pools[key] = Pool(
                endpoint.url,
                endpoint.host.allow_private,
                self._connections,
                proxy=self._proxy,
                ca_bundle=self._ca_bundle,
            )
        return Line(endpoint.host.name, pool, deadlines)

    def _close_unused(self, key: _PoolKey) -> None:
        if all(_pool_key(one) != key for one in self._endpoints.values()):
            pool = self._pools.get(gevent.get_hub(), {}).pop(key, None)
            if pool is not None:
                pool.close()


def _pool_key(endpoint: Endpoint) -> _PoolKey:
    return endpoint.host.base_url, endpoint.host.allow_private


@lru_cache(1024)
def _manners(host: Host) -> Manners:
    preset = _preset(host)
    hostname = _hostname(host)
    return Manners(
        preset.output_cap_field_at(hostname),
        preset.takes_stream_options,
        encrypts_thoughts=preset.encrypts_thoughts_at(hostname),
        refuses=preset.refuses_at(hostname),
        breakpoints=preset.breakpoints_at(hostname),
    )


def _is_echo(host: Host) -> bool:
    return host.base_url.startswith("echo:")


def _spoken(host: Host) -> frozenset[str]:
    preset = preset_at(host.preset, host.base_url)
    return frozenset(preset.paths_at(_hostname(host))) if preset else frozenset()


def _hostname(host: Host) -> str:
    try:
        return "" if _is_echo(host) else split_base_url(host.base_url).host
    except InvalidField:
        return ""


def _preset(host: Host) -> Preset:
    preset = preset_at(host.preset, host.base_url)
    if preset is None:
        raise UpstreamRefused(f"Provider {host.name} has the preset {host.preset!r}, which this version does not know.")
    return preset


def _model_ids(exchange: HttpExchange, name: str) -> Sequence[str]:
    body = bytearray()
    while chunk := exchange.read():
        body += chunk
        if len(body) > MOST_LIST_BYTES:
            raise UpstreamInvalid(f"Provider {name} lists more models than can be read.")
    if exchange.status != 200:
        hint = "refused its key" if exchange.status in (401, 403) else "does not list its models"
        raise UpstreamRejected(
            f"Provider {name} {hint} (status {exchange.status}).",
            status=exchange.status,
            body=bytes(body),
            content_type=exchange.headers.get("content-type", ""),
        )
    try:
        return tuple(one["id"] for one in orjson.loads(body)["data"] if isinstance(one["id"], str))
    except (ValueError, LookupError, TypeError):
        raise UpstreamInvalid(f"Provider {name} answered with no list of models; check its base URL.") from None
