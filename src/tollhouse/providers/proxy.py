"""The outgoing proxy: which hosts are reached through it, and the tunnel that it is asked for.

https hosts only. The proxy resolves their names, so an address cannot be checked here: a host that can be
seen to be private, by its name or as an address, is refused before the proxy is asked.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from tollhouse import __version__
from tollhouse.domain.errors import InvalidField, InvalidSetting, UpstreamRefused
from tollhouse.providers.addresses import BaseURL, literal_of, split_base_url
from tollhouse.settings import Settings

_PROXY, _NO_PROXY = "TOLLHOUSE_HTTPS_PROXY", "TOLLHOUSE_NO_PROXY"
MOST_HEAD_BYTES = 16384
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r\n]")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that opens tunnels (CONNECT). `exempt` are names with all under them, and networks; `*`
    is everything.
    """

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)
    exempt: tuple[str | IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The proxy of the settings, None without one. InvalidSetting, which never repeats the URL: it may have
        a password.
        """
        exempt = tuple(_exempt(one) for part in settings.no_proxy.split(",") if (one := part.strip().lower()))
        if not settings.https_proxy:
            return None
        scheme, _, rest = settings.https_proxy.partition("://")
        secret, _, authority = rest.rpartition("@")
        try:
            url = split_base_url(f"http://{authority}")
        except InvalidField:
            url = None
        if url is None or scheme != "http" or url.path:
            raise InvalidSetting(f"{_PROXY} must be like http://proxy.example.com:3128.", param=_PROXY)
        authorization = f"Basic {b64encode(unquote(secret).encode()).decode()}" if secret else None
        return cls(url.host, url.port, authorization, exempt)

    def serves(self, url: BaseURL) -> bool:
        """Whether this host is reached through the proxy."""
        return url.tls and not any(_covers(one, url.host) for one in self.exempt)

    @property
    def authority(self) -> str:
        """Its name for the errors."""
        return _authority(self.host, self.port)

    def open_tunnel(self, connection: Any, url: BaseURL) -> None:
        """Ask for a tunnel to the host, on a socket that is connected to the proxy and has a timeout.

        Raises UpstreamRefused where the proxy will not; OSError.
        """
        there = _authority(url.host, url.port)
        lines = [f"CONNECT {there} HTTP/1.1", f"host: {there}", f"user-agent: tollhouse/{__version__}"]
        if self.authorization:
            lines.append(f"proxy-authorization: {self.authorization}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        head = b""
        while (end := head.find(b"\r\n\r\n")) < 0:
            chunk = connection.recv(4096)
            head += chunk
            if not chunk or len(head) > MOST_HEAD_BYTES:
                raise UpstreamRefused(f"The proxy {self.authority} did not answer as an HTTP proxy; check {_PROXY}.")
        status = _STATUS.match(head)
        if status is None or (status[1][:1] == b"2" and len(head) > end + 4):
            # Nobody may speak in the tunnel before the handshake.
            raise UpstreamRefused(f"The proxy {self.authority} did not answer as an HTTP proxy; check {_PROXY}.")
        if status[1] == b"407":
            raise UpstreamRefused(f"The proxy {self.authority} wants another user name or password in {_PROXY}.")
        if status[1][:1] != b"2":
            raise UpstreamRefused(
                f"The proxy {self.authority} opens no way to {there} (status {status[1].decode()}); "
                f"allow it there, or name the host in {_NO_PROXY}."
            )


def proxy_for(settings: Settings) -> Callable[[str], str | None]:
    """Tells the URL of the proxy through which a URL is reached, None for no proxy; for whoever has another client."""

    def proxy(url: str) -> str | None:
        found, parts = Proxy.of(settings), urlsplit(url)
        way = split_base_url(f"{parts.scheme}://{parts.netloc}")
        return settings.https_proxy if found is not None and found.serves(way) else None

    return proxy


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _exempt(text: str) -> str | IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip("[]"), strict=False)
    except ValueError:
        name = text.lstrip(".")
        if text != "*" and not _NAME.fullmatch(name):
            raise InvalidSetting(
                f"{_NO_PROXY} must be names, addresses or networks, as a.example,10.0.0.0/8; {text[:100]!r} is none.",
                param=_NO_PROXY,
            ) from None
        return name


def _covers(exempt: str | IPv4Network | IPv6Network, host: str) -> bool:
    if isinstance(exempt, str):
        name = host.rstrip(".")
        return exempt in ("*", name) or name.endswith("." + exempt)
    literal = literal_of(host)
    return literal is not None and ip_address(literal) in exempt
