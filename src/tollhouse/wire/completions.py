"""OpenAI's legacy Completions."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.routes import Manners, Target
from tollhouse.wire import answers, json_text
from tollhouse.wire.chat import ChatStreamMeter
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import EventFraming, Framing, WholeFraming
from tollhouse.wire.said import said_in_choices
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.vocabulary import openai_usage
from tollhouse.wire.whole import WholeMeter

_SCHEMA = RequestSchema("completions")
_LIST_PRICE_TIERS = (None, "auto", "default", "flex")


class CompletionsFormat:
    """`POST /v1/completions`, whole and streamed."""

    name = "completions"
    dialect = "openai"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        cap, prompts = body.get("max_tokens"), prompts_of(body)
        # What was tried to find the best is generated, and billed, as what is shown.
        tries = max(int(body.get("n") or 1), int(body.get("best_of") or 1))
        return Facts(
            model=body["model"],
            size=size,
            stream=bool(body.get("stream")),
            output_cap=None if cap is None else int(cap),
            choices=tries * max(1, len(prompts)),
            messages=len(prompts),
            # vLLM takes a prompt as embeddings, whose tokens their bytes do not bound.
            media=1 if body.get("prompt_embeds") else 0,
            surcharged=self.surcharges(body),
        )

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        # No tokens are asked for to have the prompt itself scored; but some hosts (Ollama) take 0 for no cap at all.
        return body.get("service_tier") not in _LIST_PRICE_TIERS or body.get("max_tokens") == 0

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        body = {**call.body, "model": target.upstream_model}
        if cap is not None:
            body["max_tokens"] = cap
        if not manners.takes_stream_options:
            body.pop("stream_options", None)
        elif call.facts.stream:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        return json_text.write(body)

    def framing(self, facts: Facts) -> Framing:
        return EventFraming() if facts.stream else WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        if facts.stream:
            # Its chunks differ from those of chat in the place of their text alone.
            return ChatStreamMeter(facts, input_bound)
        return WholeMeter(openai_usage, facts, input_bound, said=said_in_choices, fault=answers.completion)


def prompts_of(body: Mapping[str, Any]) -> list[Any]:
    """The prompts: each a text, or a list of tokens. A list of numbers is one prompt."""
    given = body.get("prompt")
    if not isinstance(given, list):
        return [] if given is None else [given]
    return [given] if isinstance(given[0], int) else given
