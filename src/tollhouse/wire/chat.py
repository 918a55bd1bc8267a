"""OpenAI Chat Completions."""

import re
from collections.abc import Mapping
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
from tollhouse.wire.said import said_in_choices
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.token_estimate import estimate_input, image_size
from tollhouse.wire.vocabulary import OUTPUT_TEXT, openai_usage, streamed_tokens
from tollhouse.wire.whole import WholeMeter

_SCHEMA = RequestSchema("chat")
_TEXT_PARTS = ("text", "refusal")
_LIST_PRICE_TIERS = (None, "auto", "default", "flex")
_CAPS = ("max_completion_tokens", "max_tokens")


class ChatFormat:
    """`POST /v1/chat/completions`, whole and streamed."""

    name = "chat"
    dialect = "openai"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        caps = [cap for field in _CAPS if (cap := body.get(field)) is not None]
        tools = body.get("tools") or ()
        messages = body["messages"]
        lists = [content for message in messages if isinstance(content := message.get("content"), list)]
        media = [part for content in lists for part in content if part.get("type") not in _TEXT_PARTS]
        images = [part for part in media if part.get("type") == "image_url"]
        return Facts(
            model=body["model"],
            size=size,
            stream=bool(body.get("stream")),
            output_cap=int(max(caps)) if caps else None,
            choices=int(body.get("n") or 1),
            messages=len(messages),
            tools=len(tools),
            media=len(media),
            images=len(images),
            image_size=sum(map(image_size, images)),
            surcharged=self.surcharges(body),
        )

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        messages = body["messages"]
        lists = [content for message in messages if isinstance(content := message.get("content"), list)]
        return (
            bool(body.get("web_search_options"))
            or body.get("service_tier") not in _LIST_PRICE_TIERS
            or "audio" in (body.get("modalities") or ())
            or any(part.get("type") == "input_audio" for content in lists for part in content)
            or any(message.get("audio") for message in messages)
            or any(tool.get("type") not in ("function", "custom") for tool in body.get("tools") or ())
        )

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        body = {**call.body, "model": target.upstream_model}
        if cap is None and call.translated:
            cap = call.facts.output_cap
        if cap is not None:
            # One cap, under the name that the host knows: of two, it might obey the higher one.
            for field in _CAPS:
                body.pop(field, None)
            body[manners.output_cap_field] = cap
        if not manners.takes_stream_options:
            body.pop("stream_options", None)  # it would refuse them, and tells its usage unasked
        elif call.facts.stream:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        return json_text.write(body)

    def framing(self, facts: Facts) -> Framing:
        return EventFraming() if facts.stream else WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        if facts.stream:
            return ChatStreamMeter(facts, input_bound)
        return ChatWholeMeter(facts, input_bound)


def tells_one_choice(document: Mapping[str, Any], facts: Facts) -> bool:
    """Whether the output that it tells is that of one choice of several. llama.cpp does so, as nobody else: a stream
    has a usage for each, a whole reply the first's. It is known by the timings that it tells beside.
    """
    return facts.choices > 1 and isinstance(document.get("timings"), dict)


class ChatWholeMeter(WholeMeter):
    """Estimates, by what they say, the choices whose output nobody tells."""

    def __init__(self, facts: Facts, input_bound: int) -> None:
        fault = answers.chat_completion
        super().__init__(openai_usage, facts, input_bound, said=said_in_choices, fault=fault)
        self._facts = facts

    def _told(self, document: Mapping[str, Any]) -> Usage | None:
        told = super()._told(document)
        if told is None or not tells_one_choice(document, self._facts):
            return told
        choices = document.get("choices")
        first = said_in_choices({"choices": choices[:1]}) if isinstance(choices, list) else 0
        all_of_them = said_in_choices(document)
        output = told.output * all_of_them // first if first else told.output * self._facts.choices
        return replace(told, output=output, estimated=True)


def wants_usage(body: Mapping[str, Any]) -> bool:
    """Whether the caller itself asked for the usage event."""
    return bool((body.get("stream_options") or {}).get("include_usage"))


def is_usage_event(event: bytes) -> bool:
    """The event that `include_usage` adds at the end of a stream: usage, and no choices."""
    # Every event has choices but this one, and most a null usage: a search is cheaper than the patterns. `find`, as
    # `in` asks first whether what it is given is a number, by an error, and takes three times as long.
    if event.find(b'"usage"') < 0 or event.find(b'"choices":[{') >= 0:
        return False
    data = event_data(event)
    if not (_TELLS.search(data) and _NO_CHOICES.search(data)):
        return False
    document = json_text.read_leniently(data)
    return isinstance(document, dict) and document.get("choices") == [] and bool(document.get("usage"))


_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_TELLS = re.compile(rb'"(?:usage"\s*:\s*\{|error"\s*:\s*[^n\s])')
"""An event with a usage or an error that is not null. Most hosts have a null usage in every event: parsing those took
a quarter of the time of a stream."""


def _may_tell(data: bytes) -> bool:
    """Searches for words, of which the pattern that decides takes as long as ten."""
    usages = data.count(b'"usage"')
    return (usages > 0 and usages > data.count(b'"usage":null')) or data.find(b'"error"') >= 0


class ChatStreamMeter:
    """Counts an event with output as one token, as hosts of this format stream, or as more where it is long, until the
    usage is told.
    """

    def __init__(self, facts: Facts, input_bound: int) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._facts = facts
        self._input_bound = input_bound
        self._tokens = self._bytes = 0  # that no usage has told yet
        self._output = 0  # that was told without the prompt's
        self._usage: Usage | None = None

    def feed(self, frame: bytes) -> None:
        data = event_data(frame)
        if not data:
            return
        if data.startswith(b"[DONE]"):
            self.started = self.complete = True
            return
        # As nearly every host writes it; then a search for two words is cheaper than the pattern.
        content = data.find(b'"content":"') + 11
        # Up to a quote in the text, at the latest: with a token for each event, near enough.
        length = data.find(b'"', content) - content if content > 10 else 0
        if length > 0 or ((said := OUTPUT_TEXT.search(data)) and (length := len(said[1]))):
            self._tokens += 1
            self._bytes += length
            self.first_token = True
        if not self.started or (_may_tell(data) and _TELLS.search(data)) or not seems_an_object(data):
            self._read(data, whole=is_readable(frame))

    def finish(self) -> None:
        if not self.complete:
            self.problem = self.problem or "a stream that ended without its last event"

    def usage(self) -> Usage:
        since = streamed_tokens(self._tokens, self._bytes)
        if self._usage is None:
            whole = self.complete and self.problem is None
            input = estimate_input(self._facts, self._input_bound) if whole else self._input_bound
            return Usage(input=input, output=self._output or since, estimated=True)
        if since:
            return replace(self._usage, output=self._usage.output + since, estimated=True)
        return self._usage

    def _read(self, data: bytes, *, whole: bool) -> None:
        document = json_text.read_leniently(data)
        if not isinstance(document, dict):
            if whole and not self.complete:
                self.problem = UNREADABLE
            return
        if document.get("error"):
            self.problem, self.refused, self.said = "an error event", True, document
            return
        self.started = True
        # Some hosts tell the usage so far in every event, and some an empty one, which tells nothing.
        if isinstance(usage := document.get("usage"), dict):
            if (told := openai_usage(usage)).prompt:
                if self._usage and tells_one_choice(document, self._facts) and not document.get("choices"):
                    told = replace(told, output=told.output + self._usage.output)
                self._usage = told
                self._tokens = self._bytes = 0
            else:
                # Without the prompt, a total does not tell what of it is output.
                self._output = openai_usage({**usage, "total_tokens": None}).output
