"""Whom a request comes from, where it came through proxies that are trusted to say so."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Network = IPv4Network | IPv6Network


class Proxies:
    """Stands before all else where there are trusted proxies: from here on REMOTE_ADDR is the client's address."""

    def __init__(self, application: "WSGIApplication", trusted: Sequence[Network]) -> None:
        self._application = application
        self._trusted = trusted

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
        environ["REMOTE_ADDR"] = client_address(environ.get("REMOTE_ADDR", ""), forwarded, self._trusted)
        return self._application(environ, start_response)


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The nearest address that is not a trusted proxy's: each proxy adds whom it heard from, at the right.

    What is left of the first one that is not trusted is only what that one says.
    """
    hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
    address = peer
    while hops and _is_among(address, trusted):
        hop = hops.pop()
        if not _is_address(hop):
            break
        address = hop
    return address


def _is_among(address: str, networks: Sequence[Network]) -> bool:
    if not _is_address(address):
        return False
    parsed = ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
