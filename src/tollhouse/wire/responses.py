"""OpenAI Responses."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField
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
from tollhouse.wire.said import said_in_items
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.token_estimate import estimate_input, image_size
from tollhouse.wire.vocabulary import openai_usage, streamed_tokens
from tollhouse.wire.whole import WholeMeter

_SCHEMA = RequestSchema("responses")
_FAULT = answers.objects_at("output")
_STATE = ("previous_response_id", "conversation", "prompt")
_STATE_HERE = ("previous_response_id", "conversation")
_ENCRYPTED = "reasoning.encrypted_content"
_THINKS = re.compile(r"o[1-9]|gpt-(?:[5-9]|\d\d)(?!\S*-chat)|codex")
"""Names of OpenAI's models that think. It refuses to encrypt the thoughts of others, so of names that it does not know
the gateway asks only those whose caller speaks of reasoning.
"""
_TEXT_PARTS = ("input_text", "output_text", "text", "refusal", "reasoning_text", "summary_text")
_TEXT_ITEMS = (
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
)
_OWN_TOOLS = ("function", "custom", "namespace")
_LIST_PRICE_TIERS = (None, "auto", "default", "flex")
_DEAR_CACHE = "12h"
_LONGEST_EVENT = 64 * 1024 * 1024
"""The last event tells all that was said once more, images too, and is what is stored: as long as a whole reply may
be unless that was set otherwise."""


class ResponsesFormat:
    """`POST /v1/responses`, whole and streamed."""

    name = "responses"
    dialect = "openai"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        if not body.get("input") and not any(body.get(field) for field in _STATE):
            raise InvalidField("input: this field is required.", param="input")
        cap = body.get("max_output_tokens")
        items = _items(body)
        media = [part for item in items for part in _media(item)]
        images = [part for part in media if part.get("type") == "input_image"]
        return Facts(
            model=body["model"],
            size=size,
            stream=bool(body.get("stream")),
            output_cap=None if cap is None else int(cap),
            messages=(len(items) or 1) + bool(body.get("instructions")),
            tools=len(body.get("tools") or ()),
            # What the host itself puts in for a prompt's name is as long as it likes.
            media=len(media) + bool(body.get("prompt")),
            images=len(images),
            image_size=sum(map(image_size, images)),
            surcharged=self.surcharges(body),
        )

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        caching = body.get("prompt_cache_options")
        parts = [part for item in _items(body) for part in _parts(item)]
        return (
            any(tool.get("type") not in _OWN_TOOLS for tool in body.get("tools") or ())
            or body.get("service_tier") not in _LIST_PRICE_TIERS
            or bool(body.get("prompt"))
            or (isinstance(caching, dict) and caching.get("ttl") == _DEAR_CACHE)
            or any(part.get("type") == "input_audio" or _caches_for_long(part) for part in parts)
        )

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        body = _without_state({**call.body, "model": target.upstream_model}, manners)
        if cap is not None:
            body["max_output_tokens"] = cap
        return json_text.write(body)

    def framing(self, facts: Facts) -> Framing:
        return EventFraming(_LONGEST_EVENT) if facts.stream else WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        if facts.stream:
            return ResponsesStreamMeter(facts, input_bound)
        return WholeMeter(responses_usage, facts, input_bound, said=said_in_items, fault=_FAULT)


def response_id(call: Call) -> str:
    """The id of the reply to this call, wherever the gateway gives one."""
    return "resp_" + call.request_id.removeprefix("req_")


def conversation_id(body: Mapping[str, Any]) -> str | None:
    """The conversation that the caller named, in either of the ways."""
    named = body.get("conversation")
    return named["id"] if isinstance(named, dict) else named or None


def keeps_state(body: Mapping[str, Any]) -> bool:
    """Whether the caller wants this call kept, or it goes on from what was kept."""
    return body.get("store") is not False or any(body.get(name) for name in _STATE_HERE)


def _without_state(body: dict[str, Any], manners: Manners) -> dict[str, Any]:
    """The body for a host that is to keep nothing, and knows none of the ids that are given out here.

    What was thought has to come back with the next turn: a host that keeps nothing gives it away encrypted.
    """
    if not keeps_state(body):
        return body
    kept_here = body.get("store") is not False or body.get("conversation")
    for name in _STATE_HERE:
        body.pop(name, None)
    include = body.get("include") or []
    thinks = body.get("reasoning") or _THINKS.match(body["model"])
    if kept_here and thinks and manners.encrypts_thoughts and _ENCRYPTED not in include:
        body["include"] = [*include, _ENCRYPTED]
    return {**body, "store": False}


def responses_usage(usage: Mapping[str, Any]) -> Usage:
    """The counts of chat under other names: input tokens include the cached ones."""
    return openai_usage(
        {
            "prompt_tokens": usage.get("input_tokens"),
            "prompt_tokens_details": usage.get("input_tokens_details"),
            "completion_tokens": usage.get("output_tokens"),
            "completion_tokens_details": usage.get("output_tokens_details"),
            "total_tokens": usage.get("total_tokens"),
        }
    )


def _items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    return given if isinstance(given, list) else []


def _parts(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("content", "output"):
        given = item.get(field)
        if isinstance(given, list):
            yield from (part for part in given if isinstance(part, dict))


def _media(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is in an item whose tokens its bytes do not bound: images and files, and what a provider's tools gave."""
    kind = item.get("type") or "message"
    if kind not in _TEXT_ITEMS:
        return [item]
    return [part for part in _parts(item) if part.get("type") not in _TEXT_PARTS]


def _caches_for_long(part: Mapping[str, Any]) -> bool:
    mark = part.get("prompt_cache_breakpoint")
    return isinstance(mark, dict) and mark.get("ttl") == _DEAR_CACHE


_DELTA_EVENT = re.compile(rb'\s*\{\s*"type"\s*:\s*"response\.[a-z_.]+\.delta"')
"""Only at the very beginning, where nothing can stand that a caller chose. Events whose type comes later are parsed."""
_DELTA = re.compile(rb'"delta"\s*:\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)"')
_TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class ResponsesStreamMeter:
    """The last event tells the usage; until then the output is estimated."""

    def __init__(self, facts: Facts, input_bound: int) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._facts = facts
        self._input_bound = input_bound
        self._deltas = 0
        self._bytes = 0
        self._usage: Usage | None = None

    def feed(self, frame: bytes) -> None:
        data = event_data(frame)
        # Some hosts end their streams of this format, too, as those of chat.
        if not data or data.startswith(b"[DONE]"):
            return
        if _DELTA_EVENT.match(data) and (seems_an_object(data) or not is_readable(frame)):
            self.started = True
            self._count(data)
            return
        document = json_text.read_leniently(data)
        if not isinstance(document, dict):
            if is_readable(frame) and not self.complete:
                self.problem = UNREADABLE
            return
        kind = document.get("type")
        if kind == "error" or (document.get("error") and not isinstance(kind, str)):
            self.problem, self.refused, self.said = "an error event", True, document
        elif kind in _TERMINAL:
            self._end(kind, document.get("response"))
        else:
            self.started = True
            if isinstance(kind, str) and kind.endswith(".delta"):
                self._count(data)

    def finish(self) -> None:
        if not self.complete:
            self.problem = self.problem or "a stream that ended without its last event"

    def usage(self) -> Usage:
        if self._usage is not None:
            return self._usage
        output = streamed_tokens(self._deltas, self._bytes)
        whole = self.complete and self.problem is None
        input = estimate_input(self._facts, self._input_bound) if whole else self._input_bound
        return Usage(input=input, output=output, estimated=True)

    def _count(self, data: bytes) -> None:
        if (said := _DELTA.search(data)) and said[1]:
            self._deltas += 1
            self._bytes += len(said[1])
            self.first_token = True

    def _end(self, kind: str, response: Any) -> None:
        self.complete = True
        if kind == "response.failed":
            self.problem, self.refused = "a failed response", True
            self.said = {"error": response.get("error")} if isinstance(response, dict) else None
        else:
            self.started = True
        usage = response.get("usage") if isinstance(response, dict) else None
        if isinstance(usage, dict) and (told := responses_usage(usage)).prompt:
            self._usage = told
