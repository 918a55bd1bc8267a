"""A client that holds many streams open at once and looks at when their tokens come. It prints what it saw as JSON.

    python -m bench.streaming_client PORT KEY STREAMS RAMP_SECONDS HOLD_SECONDS

The streams are opened evenly over the ramp and are all open for the hold. Meanwhile further, short streams are
opened, the probes: their first token tells how a call fares that comes while all the others are open.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field

from bench.conversation import request_body
from bench.open_files import allow_many
from bench.streaming_upstream import MARK, TOKENS_A_SECOND

PROBES_A_SECOND = 10
PROBE_TOKENS = 20
LOOKED_AT = 10
"""Of so many streams one has the delay of each of its tokens looked at."""
PATIENCE_SECONDS = 30.0
LONGEST_HEAD = 16_384
"""Bytes before and with the first token."""
_MARK = MARK.encode()
_LAST = b"0\r\n\r\n"
_SENT = re.compile(rb"~(\d+\.\d{6}) ")
_FIRST = re.compile(rb'"(\d+\.\d{6}) ~(\d+\.\d{6}) ')


@dataclass(slots=True)
class Seen:
    """Delays are in seconds; those of first tokens are beyond the upstream's own time to its first token."""

    first_tokens: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    tokens: int = 0
    tokens_due: int = 0
    most_open: int = 0
    failures: list[str] = field(default_factory=list)


class Stream(asyncio.Protocol):
    """One stream on a connection of its own. `ended` is done when it is at its end, however that is."""

    def __init__(self, request: bytes, tokens: int, firsts: list[float], seen: Seen, looked_at: bool) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self.open = False
        self._request = request
        self._due = tokens
        self._firsts = firsts
        self._seen = seen
        self._looked_at = looked_at
        self._count = 0
        self._buffer = self._tail = b""
        self._began = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self.open:
            self._buffer += data
            if not self._first(now):
                return
            data = self._buffer
        elif self._looked_at and data.count(_MARK) == 1 and (sent := _SENT.search(data)):
            self._seen.delays.append(now - float(sent[1]))
        self._count += data.count(_MARK)
        self._tail = (self._tail + data)[-len(_LAST) :]
        if self._tail == _LAST:
            self._end("")

    def connection_lost(self, error: Exception | None) -> None:
        self._end(f"broke off after {self._count} tokens ({error!r})")

    def _first(self, now: float) -> bool:
        """Whether the first token is there. It has both of the upstream's times: of the request, and its own."""
        times = _FIRST.search(self._buffer)
        if times:
            own = float(times[2]) - float(times[1])
            self._firsts.append(now - self._began - own)
            self.open = True
        elif b" 200 " not in self._buffer[:15] or len(self._buffer) > LONGEST_HEAD:
            self._end(f"answered {self._buffer[9:40]!r} ... {self._buffer[-200:]!r}")
        return self.open

    def _end(self, failure: str) -> None:
        if self.ended.done():
            return
        self.open = False
        self._seen.tokens += self._count
        self._seen.tokens_due += self._due
        if not failure and self._count != self._due:
            failure = f"ended with {self._count} tokens of {self._due}"
        if failure:
            self._seen.failures.append(failure)
        self.ended.set_result(None)
        self._transport.close()


async def run(port: int, key: str, streams: int, ramp: float, hold: float) -> Seen:
    seen = Seen()
    loop = asyncio.get_running_loop()
    opened: list[Stream] = []

    async def open_one(tokens: int, firsts: list[float], looked_at: bool) -> None:
        request = _request(port, key, tokens)
        _, stream = await loop.create_connection(
            lambda: Stream(request, tokens, firsts, seen, looked_at), "127.0.0.1", port
        )
        opened.append(stream)

    began = time.monotonic()
    for number in range(streams):
        await asyncio.sleep(max(0.0, began + number * ramp / streams - time.monotonic()))
        await open_one(int((ramp + hold) * TOKENS_A_SECOND), seen.first_tokens, number % LOOKED_AT == 0)
    await asyncio.sleep(1)
    for _ in range(int((hold - 3) * PROBES_A_SECOND)):
        await asyncio.sleep(1 / PROBES_A_SECOND)
        seen.most_open = max(seen.most_open, sum(stream.open for stream in opened[:streams]))
        await open_one(PROBE_TOKENS, seen.probes, False)
    _, late = await asyncio.wait([stream.ended for stream in opened], timeout=ramp + PATIENCE_SECONDS)
    if late:
        seen.failures.append(f"{len(late)} streams did not end")
    return seen


def _request(port: int, key: str, tokens: int) -> bytes:
    body = request_body(stream=True, max_tokens=tokens)
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


if __name__ == "__main__":
    allow_many()
    port, key, streams, ramp, hold = sys.argv[1:]
    print(json.dumps(asdict(asyncio.run(run(int(port), key, int(streams), float(ramp), float(hold))))))
