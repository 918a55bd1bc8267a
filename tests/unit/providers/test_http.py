"""How an exchange shares the loop."""

from time import monotonic
from typing import Any, cast

import gevent

from tollhouse.providers.connections import Pool
from tollhouse.providers.deadline_watch import DeadlineWatch
from tollhouse.providers.deadlines import Deadlines
from tollhouse.providers.http import HttpExchange, Line

CHUNK = b"x" * 32768
CHUNKS = 320


class Gusher:
    """A connection that always has something to read, so that reading it never waits."""

    def __init__(self) -> None:
        self._left = [CHUNK] * CHUNKS + [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(CHUNK) * CHUNKS)]

    def recv(self, _size: int) -> bytes:
        return self._left.pop()


class Keeper:
    def __init__(self) -> None:
        self.watch = DeadlineWatch()

    def give(self, _connection: Any, _keep_alive: str | None) -> None:
        pass


def test_a_host_that_is_never_slow_leaves_other_calls_their_turn() -> None:
    turns = []

    def other() -> None:
        while True:
            turns.append(None)
            gevent.sleep(0)

    line = Line("acme", cast(Pool, Keeper()), Deadlines(connect=1, first_byte=1, idle=1, total=10))
    exchange = HttpExchange(line, Gusher(), monotonic() + 10)
    greenlet = gevent.spawn(other)
    exchange.await_status()
    assert sum(len(chunk) for chunk in iter(exchange.read, b"")) == len(CHUNK) * CHUNKS
    greenlet.kill()
    assert 5 <= len(turns) <= 200
