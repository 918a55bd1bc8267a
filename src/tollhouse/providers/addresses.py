"""The one guard on outgoing addresses: what a base URL may be, and which addresses may be connected to.

A name is checked by the addresses that it resolves to, and the connection is made to the address
that was checked: a name that answers differently the second time gains nothing.
"""

import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import gevent.socket

from tollhouse.domain.errors import InvalidField, UpstreamRefused
from tollhouse.providers.echo.options import read_options

SocketAddress = tuple[int, tuple[Any, ...]]
"""Address family, and what `connect` takes."""
Allowed = bool | tuple[IPv4Network | IPv6Network, ...]
"""Which private addresses may be connected to: all, none, or those in these networks."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?")
_PATH = re.compile(r"[!$%&'()*+,\-./0-9:;=@A-Z_a-z~]*")
_PRIVATE_DOMAINS = frozenset({"localhost", "local", "internal"})  # RFC 6761, RFC 6762, ICANN 2024; and RFC 8375
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


@dataclass(frozen=True, slots=True)
class BaseURL:
    """A base URL in parts. `host` is a lower-case ASCII name or an address; `path` ends without a slash."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def check_base_url(url: str, allow_private: bool) -> None:
    """Raise InvalidField, with a sentence for whoever adds the provider, unless the URL can be called.

    Looks no name up: where a name leads is checked each time that a connection is made.
    """
    if url.startswith("echo:"):
        read_options(url)
        return
    host = split_base_url(url).host
    literal = literal_of(host)
    private = is_private(literal) if literal else _last_label(host) == "localhost"
    if private and not allow_private:
        raise _invalid(f"{host} is a private address; say --allow-private (`allow_private`) if that is meant.")


@lru_cache(maxsize=1024)
def split_base_url(url: str) -> BaseURL:
    """The parts of an http or https URL; InvalidField for what is none or has more than a base URL may.

    No message repeats the URL: it may have been written with a password in it.
    """
    if not url.isprintable() or " " in url or "\\" in url:
        raise _invalid("The base URL has a space, a backslash or a control character; write it without.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid("The base URL is not a URL; write it like https://api.example.com/v1.") from None
    if parts.scheme not in ("http", "https"):
        raise _invalid("The base URL must begin with http:// or https://.")
    if "@" in parts.netloc:
        raise _invalid("The base URL has a user name or password; give the key with --api-key-env instead.")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise _invalid("The base URL has a query or fragment (? or #); leave it out.")
    if not parts.hostname:
        raise _invalid("The base URL has no host; write it like https://api.example.com/v1.")
    if not _PATH.fullmatch(parts.path):
        raise _invalid("The path of the base URL has characters that must be percent-encoded.")
    if port == 0:
        raise _invalid("The port of the base URL must be from 1 to 65535.")
    tls = parts.scheme == "https"
    return BaseURL(tls, _ascii_host(parts.hostname), port or (443 if tls else 80), parts.path.rstrip("/"))


def resolve(host: str, port: int, allow_private: Allowed) -> list[SocketAddress]:
    """The addresses of the host that may be connected to, in the resolver's order; never empty.

    Raises UpstreamRefused. Waits for the resolver cooperatively, and has no deadline of its own.
    """
    if literal := literal_of(host):
        found = [_socket_address(literal, port)]
    else:
        try:
            answers = gevent.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UpstreamRefused(f"The name {host} has no address; check the provider's base URL.") from error
        found = [(family, address) for family, _, _, _, address in answers]
    found = [one for one in found if may_be_at(one[1][0], allow_private)]
    if not found:
        raise UpstreamRefused(f"{host} is at a private address; allow that for the provider if it is meant.")
    return found


def refuse_visibly_private(host: str, allow_private: Allowed) -> None:
    """What can be checked of a host that somebody else resolves: UpstreamRefused for a private address, and for
    a name that only a private network can have: one label, or a domain reserved for such.
    """
    literal = literal_of(host)
    name = host.rstrip(".")
    of_here = "." not in name or _last_label(host) in _PRIVATE_DOMAINS or name.endswith(".home.arpa")
    if not may_be_at(literal, allow_private) if literal else of_here and allow_private is not True:
        raise UpstreamRefused(f"{host} is at a private address; allow that for the provider if it is meant.")


def may_be_at(address: str, allow_private: Allowed) -> bool:
    """Whether the address is public, or one that is allowed all the same."""
    if allow_private is True or not is_private(address):
        return True
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return not isinstance(allow_private, bool) and any(ip in network for network in allow_private)


def is_private(address: str) -> bool:
    """Whether the address is anything but a public unicast one, in whatever form it is written.

    Loopback, link-local, multicast and reserved addresses count, and so do IPv6 forms that lead to
    such an IPv4 address: mapped, 6to4, NAT64.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return True
    if isinstance(ip, IPv6Address):
        if ip.is_site_local:
            return True
        ip = _embedded(ip) or ip
    return not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_link_local or ip.is_unspecified


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _last_label(host: str) -> str:
    return host.rstrip(".").rpartition(".")[2]


def literal_of(host: str) -> str | None:
    """The address that the host is, in plain form; None for a name. 127.1 and 0x7f000001 are addresses."""
    if ":" in host:
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _socket_address(literal: str, port: int) -> SocketAddress:
    if ":" in literal:
        return socket.AF_INET6, (literal, port, 0, 0)
    return socket.AF_INET, (literal, port)


def _ascii_host(host: str) -> str:
    if ":" in host:
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise _invalid("The base URL's host is not an IPv6 address.") from None
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name):
        raise _invalid("The base URL's host is not a host name.")
    return name


def _invalid(sentence: str) -> InvalidField:
    return InvalidField(sentence, param="base_url")
