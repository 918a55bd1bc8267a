"""An upstream that streams tokens at a steady rate and says in them when it got the request and when it sent them.

    python -m bench.streaming_upstream PORT

A call with `stream` gets `max_tokens` tokens, 20 a second after a pause for thought; one without gets a whole answer.
All streams that are due in the same 5 ms are written by one timer, so that 1,000 of them cost little processor time.
Times are of the system's monotonic clock, which all processes of a machine share.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress

from bench.conversation import MODEL, completion_body
from bench.open_files import allow_many

TOKENS_A_SECOND = 20
THOUGHT_SECONDS = 0.1
SLOTS = 10
MARK = "~"
"""Stands before each time, once in each token and nowhere else."""

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_WHOLE = completion_body()
_NO_MODELS = b'{"object":"list","data":[]}'


class Streams:
    """The timer. A stream belongs to the slot in which its first token was due."""

    def __init__(self) -> None:
        self._slots: list[set[Connection]] = [set() for _ in range(SLOTS)]
        self._number = 0

    def add(self, stream: "Connection") -> None:
        self._slots[self._number % SLOTS].add(stream)

    def remove(self, stream: "Connection") -> None:
        for slot in self._slots:
            slot.discard(stream)

    async def run(self) -> None:
        step = 1 / TOKENS_A_SECOND / SLOTS
        due = time.monotonic()
        while True:
            due += step
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._number += 1
            slot = self._slots[self._number % SLOTS]
            event = _chunk(_event({"content": f"{MARK}{time.monotonic():.6f} "}))
            for stream in [*slot]:
                if not stream.send_token(event):
                    slot.discard(stream)


class Connection(asyncio.Protocol):
    """One client, which may call again when it has its answer."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._buffer = b""
        self._left = 0
        self._received = 0.0
        self._first = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._streams.remove(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)
        if len(body) < length:
            return
        self._buffer = body[length:]
        self._received = time.monotonic()
        asked = json.loads(body[:length]) if length else {}
        if asked.get("stream"):
            self._left, self._first = int(asked["max_tokens"]), True
            asyncio.get_running_loop().call_later(THOUGHT_SECONDS, self._begin)
        else:
            answer = _WHOLE if length else _NO_MODELS
            self._transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(answer), answer)
            )

    def send_token(self, event: bytes) -> bool:
        """Whether more are to come."""
        if self._first:
            self._first = False
            times = f"{self._received:.6f} {MARK}{time.monotonic():.6f} "
            event = _HEAD + _chunk(_event({"role": "assistant", "content": times}))
        self._left -= 1
        if self._left > 0:
            self._transport.write(event)
            return True
        self._transport.write(event + _END)
        return False

    def _begin(self) -> None:
        if not self._transport.is_closing():
            self._streams.add(self)


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return _data({"choices": [choice], "usage": None})


def _data(fields: dict[str, object]) -> bytes:
    event = {
        "id": "chatcmpl-Bq7YxR2mT1vKcW9sJ4hLpE8n",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
        **fields,
    }
    return b"data: %b\n\n" % json.dumps(event, separators=(",", ":")).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_USAGE = {"prompt_tokens": 139, "completion_tokens": 400, "total_tokens": 539}
_END = (
    _chunk(_event({}, "stop")) + _chunk(_data({"choices": [], "usage": _USAGE})) + _chunk(b"data: [DONE]\n\n")
) + b"0\r\n\r\n"


async def main(port: int) -> None:
    streams = Streams()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(streams), "127.0.0.1", port, backlog=4096
    )
    async with server:
        await streams.run()


if __name__ == "__main__":
    allow_many()
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))
