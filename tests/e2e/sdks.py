"""The official SDKs, synchronous and asynchronous, to be called alike."""

import asyncio
from collections.abc import Callable
from typing import Any

from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI

from tests.running import RunningGateway

Call = Callable[[Any], Any]
"""What to do with a client; of an asynchronous one it gives something to await."""


class Sdk:
    """One vendor's SDK in one of its two kinds, at one gateway. A client lives as long as a call."""

    def __init__(self, running: RunningGateway, vendor: str, *, asynchronous: bool, key: str | None = None) -> None:
        self._url = running.url if vendor == "anthropic" else f"{running.url}/v1"
        self._key = key or running.key
        self._sync: Callable[..., Any] = Anthropic if vendor == "anthropic" else OpenAI
        self._async: Callable[..., Any] = AsyncAnthropic if vendor == "anthropic" else AsyncOpenAI
        self.asynchronous = asynchronous

    def result(self, call: Call, **options: Any) -> Any:
        """What the call gives in the end."""
        if not self.asynchronous:
            with self._client(self._sync, options) as client:
                return call(client)

        async def awaited() -> Any:
            async with self._client(self._async, options) as client:
                return await call(client)

        return asyncio.run(awaited())

    def events(self, call: Call, **options: Any) -> list[Any]:
        """All events of a call with `stream=True`."""
        if not self.asynchronous:
            with self._client(self._sync, options) as client, call(client) as stream:
                return list(stream)

        async def awaited() -> list[Any]:
            async with self._client(self._async, options) as client, await call(client) as stream:
                return [event async for event in stream]

        return asyncio.run(awaited())

    def stream(self, call: Call, final: str, **options: Any) -> tuple[list[Any], Any]:
        """All events of a `.stream(…)`, and what its method `final` gives after them."""
        if not self.asynchronous:
            with self._client(self._sync, options) as client, call(client) as stream:
                return list(stream), getattr(stream, final)()

        async def awaited() -> tuple[list[Any], Any]:
            async with self._client(self._async, options) as client, call(client) as stream:
                return [event async for event in stream], await getattr(stream, final)()

        return asyncio.run(awaited())

    def _client(self, kind: Callable[..., Any], options: dict[str, Any]) -> Any:
        return kind(base_url=self._url, api_key=self._key, **{"max_retries": 0, **options})
