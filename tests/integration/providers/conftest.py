"""An upstream of real sockets that does, byte by byte, what a test tells it to."""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tollhouse.domain.ports import Outgoing
from tollhouse.domain.routes import Host, Target
from tollhouse.providers.upstreams import HttpUpstreams
from tollhouse.settings import Settings

CANARY = "sk-canary-0123456789"
BODY = b'{"model":"m","messages":[]}'


class Conversation:
    """One connection, from the upstream's side."""

    def __init__(self, upstream: "ScriptedUpstream", connection: socket.socket, number: int) -> None:
        self.upstream = upstream
        self.number = number
        self._connection = connection
        self._buffer = b""

    def request(self) -> bytes:
        """Read one request; b"" when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return b""
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        while len(rest) < length:
            if not self._more():
                return b""
            rest = self._buffer.partition(b"\r\n\r\n")[2]
        self._buffer = rest[length:]
        request = head + b"\r\n\r\n" + rest[:length]
        self.upstream.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def answer(self, body: bytes = b"{}", headers: bytes = b"", status: bytes = b"200 OK") -> None:
        self.send(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n%b\r\n%b" % (status, len(body), headers, body))

    def join(self, port: int) -> None:
        """Carry bytes to and from another port of this machine until either side ends, as a tunnel does."""
        with socket.create_connection(("127.0.0.1", port)) as other:
            ends = {self._connection: other, other: self._connection}
            while not self.upstream.over.is_set():
                for one in select.select(list(ends), [], [], 0.05)[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    ends[one].sendall(data)

    def pause(self, seconds: float) -> None:
        """Do nothing, but no longer than the test lasts."""
        self.upstream.over.wait(seconds)

    def reset(self) -> None:
        """End the connection with a reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def close(self) -> None:
        self._connection.close()

    def _more(self) -> bool:
        data = self._connection.recv(65536)
        self._buffer += data
        return bool(data)


Script = Callable[[Conversation], None]


class ScriptedUpstream:
    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.over = threading.Event()
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.01)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(2)
        self._listener.close()

    def _accept(self) -> None:
        while not self.over.is_set():
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        # A script may read on when the test is over; it is then told that the client has gone.
        connection.settimeout(1.5)
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._script(Conversation(self, connection, number))
        connection.close()


@pytest.fixture
def upstream() -> Iterator[Callable[..., ScriptedUpstream]]:
    """Start an upstream that does what the script says on each connection."""
    started: list[ScriptedUpstream] = []

    def start(script: Script, tls: ssl.SSLContext | None = None) -> ScriptedUpstream:
        started.append(ScriptedUpstream(script, tls))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def upstreams() -> Iterator[Callable[..., HttpUpstreams]]:
    """Make the client, with settings of the test's own."""
    made: list[HttpUpstreams] = []

    def make(**settings: Any) -> HttpUpstreams:
        made.append(HttpUpstreams(replace(Settings(), **settings)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def target(url: str, preset: str = "openai", *, allow_private: bool = True, host_id: str = "prv_1") -> Target:
    return Target("m", "m", Host(host_id, "acme", preset, url, CANARY, allow_private), None)


def outgoing(body: bytes = BODY, spoken: str = "chat", **headers: str) -> Outgoing:
    return Outgoing(spoken, body, {name.replace("_", "-"): value for name, value in headers.items()}, streamed=True)


def read_all(exchange: Any) -> bytes:
    """The whole body; closes the exchange."""
    try:
        return b"".join(iter(exchange.read, b""))
    finally:
        exchange.close()
