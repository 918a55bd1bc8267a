"""An exchange over HTTP/1.1: one request, and its answer read as it comes."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

import gevent

from tollhouse.domain.errors import UpstreamError, UpstreamGone, UpstreamInvalid
from tollhouse.domain.ports import Body, LongBody
from tollhouse.domain.values import value
from tollhouse.providers.connections import Pool
from tollhouse.providers.deadlines import Deadlines
from tollhouse.providers.headers import returned
from tollhouse.providers.response import MalformedResponse, Response

STALE_SECONDS = 1.0
READ_BYTES = 32768
TURN_BYTES = 1 << 16
_LARGE_BODY = 1 << 16


@value
class Line:
    """How one provider is reached: its connections, its deadlines, and its name for the errors. `takes_any_body`:
    what is answered is not read, so it may be compressed.
    """

    name: str
    pool: Pool
    deadlines: Deadlines
    takes_any_body: bool = False


def send(line: Line, head: bytes, body: Body, *, fresh: bool = False) -> "HttpExchange":
    """Send, and return once status and headers are there. Whoever calls closes the exchange. With `fresh` it goes by a
    new connection: nothing can make it go twice.

    Raises UpstreamRefused, UpstreamTimeout, UpstreamGone, UpstreamInvalid.

    A host may close an idle connection at the moment at which a request sets out on it. The host never
    read that request, but here it looks like any close without an answer. As HTTP clients commonly do,
    it is sent once more, on a new connection. Nothing tells this case from a host that died over the
    request, except that such a close crosses the request on its way, and so is seen at once. So on a
    first use, after STALE_SECONDS, or after any byte, a request is never repeated: it may be billed.
    """
    total_by = monotonic() + line.deadlines.total
    connect = min(line.deadlines.connect, line.deadlines.total)
    connection, was_used = line.pool.take(connect, fresh=fresh)
    try:
        return _attempt(HttpExchange(line, connection, total_by), head, body, may_be_stale=was_used)
    except _Stale:
        connection, _ = line.pool.take(connect, fresh=True)
        return _attempt(HttpExchange(line, connection, total_by), head, body, may_be_stale=False)


class _Stale(Exception):
    """A connection that had been used before closed at once, without a byte."""


def _attempt(exchange: "HttpExchange", head: bytes, body: Body, *, may_be_stale: bool) -> "HttpExchange":
    try:
        exchange.ask(head, body)
        sent_at = monotonic()
        try:
            exchange.await_status()
        except UpstreamGone:
            if may_be_stale and not exchange.has_begun and monotonic() - sent_at < STALE_SECONDS:
                raise _Stale from None
            raise
    except BaseException:
        exchange.close()
        raise
    return exchange


class HttpExchange:
    """An answer that is being read off a pooled connection. Nothing of its body is changed."""

    __slots__ = (
        "_connection",
        "_first_byte_by",
        "_line",
        "_response",
        "_this_turn",
        "_total_by",
        "headers",
        "status",
    )

    def __init__(self, line: Line, connection: Any, total_by: float) -> None:
        self._line = line
        self._connection = connection
        self._total_by = total_by
        self._first_byte_by = monotonic() + line.deadlines.first_byte
        self._response = Response()
        self._this_turn = 0
        self.status = 0
        self.headers: Mapping[str, str] = self._response.headers

    @property
    def returned(self) -> Mapping[str, str]:
        """What of its headers the caller may see, ready to be sent."""
        return returned(self.headers)

    @property
    def has_begun(self) -> bool:
        """Whether a byte of the answer has come."""
        return self._response.has_begun

    def ask(self, head: bytes, body: Body) -> None:
        """Send the request. A broken connection is not an error yet: a host may refuse a long body before it
        has read it, and answer all the same.
        """
        if not isinstance(body, bytes):
            self._ask_at_length(head, body)
        elif len(body) < _LARGE_BODY:
            self._send(head + body)
        elif self._send(head):
            self._send(body)

    def _ask_at_length(self, head: bytes, body: LongBody) -> None:
        """In pieces, with others' turns between them. A host that takes piece after piece is not silent."""
        going_on = self._send(head)
        for piece in body:
            if not going_on:
                return
            going_on = self._send(piece)
            gevent.sleep(0)
            self._first_byte_by = monotonic() + self._line.deadlines.first_byte

    def _send(self, part: bytes) -> bool:
        """Whether all of it went; not where the connection broke."""
        watch = self._line.pool.watch
        rest = memoryview(part)
        try:
            while rest:
                connection = self._wait_for_connection(self._first_byte_by)
                try:
                    rest = rest[connection.send(rest) :]
                finally:
                    watch.end()
        except TimeoutError:
            raise self._deadline_passed() from None
        except OSError:
            return False
        return True

    def await_status(self) -> None:
        """Read up to the end of the headers. Refuses compressed bodies: they are never asked for, and a few
        kilobytes of one could inflate to gigabytes.
        """
        response = self._response
        while not response.has_headers:
            self._receive(self._first_byte_by)
        self.status = response.status
        if not response.is_plain and not self._line.takes_any_body:
            raise UpstreamInvalid(f"Provider {self._line.name} answered {self.status} with a compressed body.")

    def read(self) -> bytes:
        """The next bytes as they come, b"" at the end.

        Raises UpstreamTimeout, UpstreamGone, UpstreamInvalid; then, and after `close`, UpstreamGone.
        """
        response = self._response
        chunk = response.take()
        if not chunk and not response.is_complete:
            # One deadline for the whole wait: framing without content is no sign of life.
            by = self._first_byte_by or monotonic() + self._line.deadlines.idle
            try:
                while not chunk and not response.is_complete:
                    self._receive(by)
                    chunk = response.take()
            except BaseException:
                self.close()
                raise
        self._first_byte_by = 0.0
        return chunk

    def close(self) -> None:
        """End the connection, unless the answer was read to its end: then it is in the pool already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._line.pool.drop(connection)

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()

    def _receive(self, by: float) -> None:
        """Take in what one recv gives, and let go of the connection when the answer is complete."""
        name, response = self._line.name, self._response
        if self._this_turn > TURN_BYTES:
            # A socket that always has something to read never waits, and would keep the loop to itself.
            self._this_turn = 0
            gevent.sleep(0)
        connection = self._wait_for_connection(by)
        try:
            data = connection.recv(READ_BYTES)
        except TimeoutError:
            raise self._deadline_passed() from None
        except OSError as error:
            raise UpstreamGone(f"The connection to provider {name} broke ({error.strerror}).") from None
        finally:
            self._line.pool.watch.end()
        self._this_turn += len(data)
        try:
            response.push(data)
        except EOFError:
            when = "in the middle of its answer" if response.has_begun else "without an answer"
            raise UpstreamGone(f"Provider {name} closed the connection {when}.") from None
        except MalformedResponse as error:
            raise UpstreamInvalid(f"Provider {name} sent what is not HTTP ({error}).") from None
        if response.is_complete:
            self._connection = None
            if response.is_reusable:
                self._line.pool.give(connection, response.headers.get("keep-alive"))
            else:
                self._line.pool.drop(connection)

    def _wait_for_connection(self, by: float) -> Any:
        """The connection. Until the watch's `end`, a wait ends then or at the total deadline, whichever is first."""
        connection = self._connection
        if connection is None:
            raise UpstreamGone(f"The call to provider {self._line.name} was closed before its answer ended.")
        until = min(by, self._total_by)
        if until <= monotonic():
            raise self._deadline_passed()
        self._line.pool.watch.begin(until)
        return connection

    def _deadline_passed(self) -> UpstreamError:
        name, deadlines = self._line.name, self._line.deadlines
        if self._total_by - monotonic() < 0.01:  # A timer may ring a little early.
            return deadlines.total_passed(name)
        return deadlines.first_byte_passed(name) if self._first_byte_by else deadlines.idle_passed(name)
