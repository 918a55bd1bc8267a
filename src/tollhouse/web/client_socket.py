"""The socket of a client, on which no wait is without a bound.

gunicorn's gevent worker waits for ever: for a client that reads no more of its reply, and for one that
sends no more of its body.
"""

import errno
import math
import struct
import time
from socket import MSG_PEEK, SHUT_RD, SHUT_WR, SO_LINGER, SOL_SOCKET
from typing import Any, Literal

import gevent
from gevent.socket import socket

from tollhouse.domain.errors import ClientGone
from tollhouse.web.entrance import Entrance
from tollhouse.web.turnstile import Turnstile

BETWEEN_REQUESTS_SECONDS = 75.0
"""How long a connection may rest. More than the minute after which most proxies end it themselves."""
LEAST_BYTES_PER_SECOND = 4096
"""Who is faster than this, in the time that others take, may go on for as long as there is something to send."""
PIECE = 65_536
HEAD_START_BYTES = 64
MOST_DROPPED_BYTES = 1024 * 1024
TURN_BYTES = 16_384
"""What one reply may send before others have their turn, where its client always has room: as many small events
take a millisecond or two."""


class ClientStalled(TimeoutError):
    """The client let a wait run out. Its number is that of a reset, which gunicorn does not take for a defect."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "the client stalled")


class Pace:
    """Bounds the waits of one body or one reply: each of them, and together those of one that dribbles."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall = stall_seconds
        self._waited = 0.0
        self._bytes = 0
        self._until = math.inf

    def patience(self) -> float:
        """Seconds that the next wait may last; not above 0 when there was enough of it."""
        whole = max(2 * self._stall, self._bytes / LEAST_BYTES_PER_SECOND)
        return min(self._stall, whole - self._waited, self._until - time.monotonic())

    def moved(self, size: int, seconds: float) -> None:
        self._bytes += size
        self._waited += seconds

    def end_in(self, seconds: float) -> None:
        self._until = min(self._until, time.monotonic() + seconds)


class ClientSocket(socket):
    """Takes over an accepted connection. It raises ClientStalled where a wait for the client ran out.

    A head has `stall_seconds` from its first byte, or from when it connected. A body and a reply may
    pause as long, and take twice as long or LEAST_BYTES_PER_SECOND.
    """

    _sock: Any
    """The kernel's socket, past gevent."""

    def __init__(self, accepted: socket, stall_seconds: float, turnstile: Turnstile, entrance: Entrance) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self._stall = stall_seconds
        self._doing: Literal["rest", "head", "request"] = "head"
        self._since = time.monotonic()
        self._body = self._reply = Pace(stall_seconds)
        self.head_start = b""
        """How the head begins that is being read, for whoever has to refuse it."""
        self._turnstile = turnstile
        self._entrance = entrance
        self._loop = gevent.get_hub().loop
        self._round = -1
        self._this_turn = 0
        self.asks_first = False
        """Whether the client still waits to be told that its body is wanted."""
        self._serving: Any = None
        """The greenlet whose call is to end with the client."""

    def begin_call(self) -> None:
        """What follows takes a while: it begins when it is its turn."""
        self._entrance.enter()

    def watch(self) -> None:
        """From here on, what this greenlet does is for nobody but the client: without it, ClientGone is raised here."""
        self._serving = gevent.getcurrent()

    def unwatch(self) -> None:
        """What follows is done whoever is there. Idempotent."""
        self._serving = None

    @property
    def is_watched(self) -> bool:
        return self._serving is not None

    def is_at_end(self) -> bool:
        """Whether the client will send no more; never waits."""
        try:
            return not self._sock.recv(1, MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def end_call(self) -> None:
        """Raise ClientGone where the client's call waits. To be called by the hub."""
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.throw(ClientGone())

    def begin_request(self, *, asks_first: bool = False) -> None:
        """The head is here: what is read from now on is its body, for which one that `asks_first` waits to be asked."""
        self._doing = "request"
        self.asks_first = asks_first
        self.head_start = b""
        self._body, self._reply = Pace(self._stall), Pace(self._stall)
        self._this_turn = 0

    def end_request(self) -> None:
        """The reply is sent and the body read: from here on another request may come."""
        self._doing = "rest"
        self._since = time.monotonic()

    def end_body_in(self, seconds: float) -> None:
        """Wait for the rest of the body no longer than this."""
        self._body.end_in(seconds)

    def end_unless_busy(self, seconds: float) -> None:
        """Read no more from a client that has sent no whole head for this long; what it has sent is read."""
        if self._doing != "request" and time.monotonic() - self._since >= seconds:
            try:
                # Past gevent, which would raise in whoever waits here: to that one, the client is to seem gone.
                self._sock.shutdown(SHUT_RD)
            except OSError:
                return  # it is gone

    def answer_at_once(self, response: bytes) -> None:
        """Send this if there is room for it now, and drop what the client has sent, so that it gets to read it."""
        try:
            self._sock.send(response)
            self._sock.shutdown(SHUT_WR)
            for _ in range(MOST_DROPPED_BYTES // PIECE):
                if not self._sock.recv(PIECE):
                    break
        except OSError:
            return  # it is gone, or has sent no more

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if flags:
            return super().recv(size, flags)  # someone looks at what is there and takes nothing
        if self._doing == "request":
            return self._recv_body(size)
        rests = self._doing == "rest"
        patience = BETWEEN_REQUESTS_SECONDS if rests else self._stall
        self._be_patient(self._since + patience - time.monotonic())
        try:
            data = super().recv(size)
        except TimeoutError:
            if rests:
                return b""
            raise ClientStalled from None
        if rests:
            self._doing, self._since = "head", time.monotonic()
        if not self.head_start:
            self.head_start = data[:HEAD_START_BYTES]
        return data

    def _recv_body(self, size: int) -> bytes:
        if self.asks_first:
            self.asks_first = False
            self.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._be_patient(self._body.patience())
        started = time.monotonic()
        try:
            # gunicorn asks for a megabyte, which it would keep where nobody counts it.
            data = super().recv(min(size, PIECE))
        except TimeoutError:
            self.end_body_in(0)
            raise ClientStalled from None
        except ConnectionResetError:
            return b""  # to whoever reads, a body that ends before its length is cut, and no more than that
        self._body.moved(len(data), time.monotonic() - started)
        return data

    def send(self, data: Any, flags: int = 0, timeout: Any = None) -> int:
        try:
            sent: int = self._sock.send(data, flags)
        except BlockingIOError:
            if self.timeout == 0.0:
                raise  # gunicorn answers an error of its own only if that is possible at once
        else:
            self._reply.moved(sent, 0)
            if self._round != self._loop.iteration:
                # It has waited for something since: for its provider's next event, mostly.
                self._round, self._this_turn = self._loop.iteration, 0
            self._this_turn += sent
            if self._this_turn >= TURN_BYTES:
                self._this_turn = 0
                self._turnstile.wait_for_turn()
            return sent
        self._this_turn = 0
        started = time.monotonic()
        try:
            self._be_patient(self._reply.patience())
            sent = super().send(data, flags)
        except TimeoutError:
            # A reset: the kernel drops what is left unread too, and the client does not take it for the end.
            self.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            raise ClientStalled from None
        self._reply.moved(sent, time.monotonic() - started)
        return sent

    def sendall(self, data: Any, flags: int = 0) -> None:
        # gevent's own allows one timeout for all of it, which a large reply over a slow line needs many of.
        sent = self.send(data, flags) if len(data) <= PIECE else 0
        if sent == len(data):
            return  # as nearly every event of a stream goes
        rest = memoryview(data)[sent:]
        while rest:
            rest = rest[self.send(rest[:PIECE], flags) :]

    def _be_patient(self, seconds: float) -> None:
        if seconds <= 0:
            raise ClientStalled
        self.settimeout(seconds)
