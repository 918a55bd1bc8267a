"""A steady, moderate load of whole and streamed calls. At its end it prints what it did as JSON.

    python -m bench.steady_client PORT KEY CALLS_A_SECOND STREAMS SECONDS

So many whole calls are begun each second, on connections that are kept, and so many streams are always open, each on
a connection of its own. Every tenth stream is left by its client in the middle.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from bench.conversation import problem, request_body

STREAM_TOKENS = 100
LEFT_EVERY = 10
PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class Done:
    calls: int = 0
    streams: int = 0
    left: int = 0
    failures: list[str] = field(default_factory=list)


class SteadyClient:
    def __init__(self, port: int, key: str) -> None:
        self.done = Done()
        self._port = port
        self._key = key
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._numbers: Iterator[int] = itertools.count(1)

    async def run(self, calls_a_second: float, streams: int, seconds: float) -> None:
        """Load for so long, then wait for what is open."""
        end = time.monotonic() + seconds
        working = [asyncio.create_task(self._stream_until(end, number / streams)) for number in range(streams)]
        begun: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while due < end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._noting(self._call))
            begun.add(task)
            task.add_done_callback(begun.discard)
            due += 1 / calls_a_second
        await asyncio.gather(*working, *begun)

    async def _stream_until(self, end: float, wait: float) -> None:
        await asyncio.sleep(wait * STREAM_TOKENS / 20)  # not all in step
        while time.monotonic() < end:
            await self._noting(self._stream)

    async def _noting(self, what) -> None:
        try:
            await asyncio.wait_for(what(), PATIENCE_SECONDS)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.done.failures.append(repr(error)[:300])
            await asyncio.sleep(0.2)

    async def _call(self) -> None:
        reader, writer = self._rested() or await self._connect()
        status, headers = await self._ask(reader, writer, request_body())
        body = await reader.readexactly(int(headers["content-length"]))
        if wrong := problem(status, body):
            raise ValueError(wrong)
        self._idle.append((reader, writer))
        self.done.calls += 1

    def _rested(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to use again. The server ends those that rest for long, as HTTP clients expect."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def _stream(self) -> None:
        leaves = next(self._numbers) % LEFT_EVERY == 0
        reader, writer = await self._connect()
        try:
            status, _ = await self._ask(reader, writer, request_body(stream=True, max_tokens=STREAM_TOKENS))
            if status != 200:
                raise ValueError(f"a stream was answered {status}")
            tokens = 0
            async for line in reader:
                tokens += line.count(b'"content"')
                if leaves and tokens > STREAM_TOKENS // 2:
                    self.done.left += 1
                    return
                if line.startswith(b"data: [DONE]"):
                    break
            if tokens != STREAM_TOKENS:
                raise ValueError(f"a stream ended with {tokens} tokens of {STREAM_TOKENS}")
            self.done.streams += 1
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> tuple[int, dict[str, str]]:
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\nauthorization: Bearer {self._key}"
            f"\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        headers = (line.partition(":") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in headers}


async def main(port: int, key: str, calls_a_second: float, streams: int, seconds: float) -> Done:
    client = SteadyClient(port, key)
    await client.run(calls_a_second, streams, seconds)
    return client.done


if __name__ == "__main__":
    port, key, calls_a_second, streams, seconds = sys.argv[1:]
    done = asyncio.run(main(int(port), key, float(calls_a_second), int(streams), float(seconds)))
    print(json.dumps(asdict(done)))
