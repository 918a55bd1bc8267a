"""The connections of one process to one host: made to checked addresses, kept for reuse, bounded."""

import re
import socket
import ssl
from collections import deque
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
from gevent.lock import BoundedSemaphore

from tollhouse.domain.errors import InvalidSetting, UpstreamRefused
from tollhouse.providers.addresses import Allowed, BaseURL, SocketAddress, refuse_visibly_private, resolve
from tollhouse.providers.deadline_watch import DeadlineWatch
from tollhouse.providers.proxy import Proxy

KEEP_SECONDS = 55.0
"""How long an idle connection is trusted where the host does not say: load balancers end it after 60 s."""

_KEEP_ALIVE = re.compile(r"timeout\s*=\s*(\d{1,6})")


class Pool:
    """Connections to one host, for the thread that made it.

    A socket that it lends comes back once, by `give` or `drop`. No more than `size` are open at once; a
    borrower waits for one as long as it would for a connection.
    """

    def __init__(
        self,
        url: BaseURL,
        allow_private: Allowed,
        size: int,
        *,
        proxy: Proxy | None = None,
        ca_bundle: str = "",
    ) -> None:
        """`ca_bundle` names a file of authorities that are trusted beside the usual ones."""
        self._url = url
        self._allow_private = allow_private
        self._proxy = proxy if proxy and proxy.serves(url) else None
        self._ca_bundle = ca_bundle
        self._size = size
        self._room = BoundedSemaphore(size)
        self._idle: deque[tuple[Any, float]] = deque()
        self._closed = False
        self.watch = DeadlineWatch()
        """Ends the waits on its connections."""

    def take(self, seconds: float, *, fresh: bool = False) -> tuple[Any, bool]:
        """A connected socket, within so many seconds, and whether it was used before; never, if `fresh`.

        Raises UpstreamRefused.
        """
        if self._room.acquire(blocking=False):
            by = 0.0
        else:
            by = monotonic() + seconds
            if not self._room.acquire(timeout=seconds):
                raise UpstreamRefused(
                    f"All {self._size} connections to {self._url.authority} are in use; "
                    "raise TOLLHOUSE_UPSTREAM_CONNECTIONS if that is too few."
                )
        try:
            if fresh:
                self._close_idle()
            while self._idle:
                connection, until = self._idle.pop()
                if until > monotonic() and _is_quiet(connection):
                    return connection, True
                connection.close()
            return self._connect(by or monotonic() + seconds, seconds), False
        except BaseException:
            self._room.release()
            raise

    def give(self, connection: Any, keep_alive: str | None) -> None:
        """Take a socket back for reuse; `keep_alive` is what the response's header of that name said."""
        self._room.release()
        seconds = KEEP_SECONDS
        if keep_alive and (said := _KEEP_ALIVE.search(keep_alive)):
            # A second less than the host says: a request that crosses its close would be lost.
            seconds = min(seconds, int(said[1]) - 1.0)
        if self._closed or seconds <= 0:
            connection.close()
            return
        now = monotonic()
        self._idle.append((connection, now + seconds))
        while self._idle[0][1] < now:
            self._idle.popleft()[0].close()

    def drop(self, connection: Any) -> None:
        """End a socket that cannot be used again."""
        self._room.release()
        connection.close()

    def close(self) -> None:
        """End the idle connections, and each lent one when it comes back."""
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()

    def _connect(self, by: float, seconds: float) -> Any:
        """One deadline for the name, the connection and the handshake together."""
        timer = gevent.Timeout.start_new(max(by - monotonic(), 0.001))
        try:
            return self._connect_to_one_of(self._addresses(), by, seconds)
        except gevent.Timeout as passed:
            if passed is not timer:
                raise
            raise self._too_slow(seconds) from None
        finally:
            timer.close()

    def _addresses(self) -> list[SocketAddress]:
        """What to connect to: the host, or the proxy, which the operator may have wherever it is."""
        url, proxy = self._url, self._proxy
        if proxy is None:
            return resolve(url.host, url.port, self._allow_private)
        refuse_visibly_private(url.host, self._allow_private)
        try:
            return resolve(proxy.host, proxy.port, allow_private=True)
        except UpstreamRefused as error:
            raise UpstreamRefused(
                f"The proxy {proxy.authority} has no address; check TOLLHOUSE_HTTPS_PROXY."
            ) from error

    def _connect_to_one_of(self, addresses: list[SocketAddress], by: float, seconds: float) -> Any:
        last: OSError | None = None
        proxy = self._proxy
        for position, (family, address) in enumerate(addresses):
            connection = gevent.socket.socket(family, socket.SOCK_STREAM)
            try:
                # An address that swallows everything leaves time for those after it.
                connection.settimeout(max((by - monotonic()) / (len(addresses) - position), 0.001))
                connection.connect(address)
                if proxy is not None:
                    connection.settimeout(max(by - monotonic(), 0.001))
                    proxy.open_tunnel(connection, self._url)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                # From here on the watch bounds its waits.
                connection.settimeout(None)
                if self._url.tls:
                    connection = _tls(self._ca_bundle).wrap_socket(
                        connection, server_hostname=self._url.host, do_handshake_on_connect=False
                    )
                    connection.do_handshake()
                return connection
            except OSError as error:
                connection.close()
                last = error
            except BaseException:
                connection.close()
                raise
        raise self._refused(last, seconds) from last

    def _refused(self, error: OSError | None, seconds: float) -> UpstreamRefused:
        where = self._url.authority
        if isinstance(error, ssl.SSLCertVerificationError):
            return UpstreamRefused(
                f"The certificate of {where} is not trusted ({error.verify_message}); "
                "SSL_CERT_FILE names the authorities that are, TOLLHOUSE_CA_BUNDLE those beside them."
            )
        if isinstance(error, ssl.SSLError):
            return UpstreamRefused(f"No TLS with {where} ({error.reason}); check the provider's base URL.")
        if isinstance(error, TimeoutError):
            return self._too_slow(seconds)
        reason = error.strerror if error else "no address"
        if self._proxy is not None:
            return UpstreamRefused(f"No connection to {where}{self._by_way_of()} ({reason}); check both.")
        return UpstreamRefused(f"No connection to {where} ({reason}); check that the provider is up.")

    def _too_slow(self, seconds: float) -> UpstreamRefused:
        return UpstreamRefused(
            f"No connection to {self._url.authority}{self._by_way_of()} within {seconds:g} s (connect deadline)."
        )

    def _by_way_of(self) -> str:
        return f" through the proxy {self._proxy.authority}" if self._proxy else ""


def _is_quiet(connection: Any) -> bool:
    """Whether an idle connection is still open and has nothing to say: it would answer no request."""
    try:
        # The plain socket inside, which never waits: a TLS one takes no flags, and its bytes tell as much.
        connection._sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def check_ca_bundle(file: str) -> None:
    """Raise InvalidSetting unless the file, if one is named, has certificates."""
    if not file:
        return
    try:
        _tls(file)
    except OSError as error:  # of which SSLError is one
        problem = "has no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        name = "TOLLHOUSE_CA_BUNDLE"
        raise InvalidSetting(f"{name} must be a file of certificates; {file} is not ({problem}).", param=name) from None


@cache
def _tls(ca_bundle: str = "") -> Any:
    """Verifies by the system's authorities or those of SSL_CERT_FILE, by certifi's where there are none; and by
    those of the bundle.
    """
    # gevent's own class: `create_default_context` makes one that blocks where nothing is patched. For this
    # protocol, certificate and host name are checked by default.
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and any(Path(paths.capath).iterdir())):
        import certifi

        context.load_verify_locations(certifi.where())
    if ca_bundle:
        context.load_verify_locations(ca_bundle)
    context.set_alpn_protocols(["http/1.1"])
    return context
