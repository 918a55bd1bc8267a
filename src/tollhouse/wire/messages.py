"""Anthropic Messages."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.routes import Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire import answers, json_text
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import (
    UNREADABLE,
    EventFraming,
    Framing,
    WholeFraming,
    event_data,
    is_readable,
    seems_an_object,
)
from tollhouse.wire.said import said_in_blocks
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.token_estimate import estimate_input, image_size
from tollhouse.wire.vocabulary import OUTPUT_TEXT, anthropic_usage, count, streamed_tokens
from tollhouse.wire.whole import WholeMeter

_SCHEMA = RequestSchema("messages")
_TEXT_BLOCKS = ("text", "thinking", "redacted_thinking", "tool_use")


class MessagesFormat:
    """`POST /v1/messages`, whole and streamed."""

    name = "messages"
    dialect = "anthropic"
    requires_cap = True

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        tools = body.get("tools") or ()
        media = [part for message in body["messages"] for part in _media(message["content"])]
        images = [part for part in media if isinstance(part, dict) and part.get("type") == "image"]
        return Facts(
            model=body["model"],
            size=size,
            stream=bool(body.get("stream")),
            output_cap=int(body["max_tokens"]),
            messages=len(body["messages"]),
            tools=len(tools),
            media=len(media) + _continues(body),
            images=len(images),
            image_size=sum(map(image_size, images)),
            surcharged=self.surcharges(body),
        )

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        tools = body.get("tools") or ()
        return (
            _caches_for_an_hour(body)
            or any(tool.get("type", "custom") != "custom" for tool in tools)
            or bool(body.get("mcp_servers"))
            or body.get("speed") not in (None, "standard")
            or body.get("inference_geo") not in (None, "global")
        )

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        body = {**call.body, "model": target.upstream_model}
        if cap is not None:
            body["max_tokens"] = cap
        return json_text.write(body)

    def framing(self, facts: Facts) -> Framing:
        return EventFraming() if facts.stream else WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        if facts.stream:
            return MessagesStreamMeter(facts, input_bound)
        return WholeMeter(anthropic_usage, facts, input_bound, said=said_in_blocks, fault=answers.message)


def _caches_for_an_hour(body: Mapping[str, Any]) -> bool:
    """An hour's cache is dearer to write than the five minutes that price lists name."""
    parts = [[body], body.get("system"), body.get("tools"), *(message["content"] for message in body["messages"])]
    controls = (block.get("cache_control") for part in parts for block in _blocks(part))
    return any(isinstance(control, dict) and control.get("ttl") == "1h" for control in controls)


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    """Blocks, and those inside them, as tool results and documents have."""
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            yield block
            yield from _blocks(block.get("content"))
            yield from _blocks([block.get("source")])


def _continues(body: Mapping[str, Any]) -> bool:
    """Whether the host has earlier turns of its own, which nothing in the body bounds."""
    thread = body.get("thread")
    return isinstance(thread, dict) and thread.get("type") != "create"


def _media(content: Any) -> list[Any]:
    """Blocks whose tokens their bytes do not bound, those inside tool results too."""
    if not isinstance(content, list):
        return []
    found: list[Any] = []
    for block in content:
        if isinstance(block, dict) and block.get("type") == "tool_result":
            found += _media(block.get("content"))
        elif not isinstance(block, dict) or block.get("type") not in _TEXT_BLOCKS:
            found.append(block)
    return found


class MessagesStreamMeter:
    """The first event tells the input, the last but one the output; between them the output is estimated."""

    def __init__(self, facts: Facts, input_bound: int) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._facts = facts
        self._input_bound = input_bound
        self._usage = Usage(input=input_bound, estimated=True)
        self._output: int | None = None
        self._deltas = 0
        self._bytes = 0

    def feed(self, frame: bytes) -> None:
        data = event_data(frame)
        if not data:
            return
        if _DELTA.search(data) and (seems_an_object(data) or not is_readable(frame)):
            self._count(data)
            return
        document = json_text.read_leniently(data)
        if not isinstance(document, dict):
            # vLLM sends `[DONE]` after the end, as hosts of the other format do.
            if is_readable(frame) and not self.complete:
                self.problem = UNREADABLE
            return
        kind = document.get("type")
        if kind == "error":
            self.problem, self.refused, self.said = "an error event", True, document
        elif kind == "message_start":
            self.started = True
            message = document.get("message")
            if isinstance(message, dict) and isinstance(usage := message.get("usage"), dict):
                self._read_input(usage)
        elif kind == "message_delta" and isinstance(usage := document.get("usage"), dict):
            self._read_input(usage)
            self._usage = replace(self._usage, reasoning=anthropic_usage(usage).reasoning)
            self._output = count(usage.get("output_tokens"))
        elif kind == "message_stop":
            self.complete = True

    def _count(self, data: bytes) -> None:
        if said := OUTPUT_TEXT.search(data):
            self._deltas += 1
            self._bytes += len(said[1])
            self.first_token = True

    def finish(self) -> None:
        if not self.complete:
            self.problem = self.problem or "a stream that ended without its last event"

    def usage(self) -> Usage:
        usage = self._usage
        if usage.estimated and self.complete and self.problem is None:
            usage = replace(usage, input=estimate_input(self._facts, self._input_bound))
        if self._output is not None:
            return replace(usage, output=self._output)
        return replace(usage, output=streamed_tokens(self._deltas, self._bytes), estimated=True)

    def _read_input(self, usage: Mapping[str, Any]) -> None:
        """The counts are cumulative; those that a later event leaves out, or has as null, stand as they were."""
        told, before = anthropic_usage(usage), self._usage
        if told.prompt:
            self._usage = Usage(
                input=before.input if usage.get("input_tokens") is None else told.input,
                cache_read=told.cache_read or before.cache_read,
                cache_write=told.cache_write or before.cache_write,
            )


_DELTA = re.compile(rb'"type"\s*:\s*"content_block_delta"')
"""Not the bare word, which a caller may choose as a stop sequence."""
