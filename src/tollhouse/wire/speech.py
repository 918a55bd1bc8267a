"""OpenAI Speech: text read aloud."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.routes import Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire import json_text
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import BinaryFraming, EventFraming, Framing
from tollhouse.wire.media_stream import MediaStreamMeter
from tollhouse.wire.relayed import RelayMeter
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.vocabulary import media_tokens

_SCHEMA = RequestSchema("speech")
_SOUND = ("audio/", "application/octet-stream")
_EVENTS = "sse"


class SpeechFormat:
    """`POST /v1/audio/speech`: sound, relayed as it comes, or events with pieces of it. Paid for by the character, or
    by tokens.
    """

    name = "speech"
    dialect = "openai"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        return Facts(
            model=body["model"],
            size=size,
            stream=True,
            surcharged=True,
            generates=False,
            unit="character",
            units=1000 * len(body["input"]),
            reply=body.get("stream_format") or "",
        )

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        return json_text.write({**call.body, "model": target.upstream_model})

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        """No number of tokens bounds the sound."""
        return True

    def framing(self, facts: Facts) -> Framing:
        return EventFraming() if facts.reply == _EVENTS else BinaryFraming(*_SOUND)

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        if not input_bound:
            # It is paid for by the character, and these are known.
            return self._meter(facts, Usage(units=facts.units))
        # The vendor's price of a minute, $0.015 at $12 a million tokens, is 1250 tokens; a minute's text has about
        # 900 characters. https://openai.com/api/pricing
        output = -(-facts.units * 1250 // 900 // 1000)
        return self._meter(facts, Usage(input=input_bound, output=output, estimated=True, units=facts.units))

    def _meter(self, facts: Facts, usage: Usage) -> Meter:
        return MediaStreamMeter(b".done", media_tokens, usage) if facts.reply == _EVENTS else RelayMeter(usage)
