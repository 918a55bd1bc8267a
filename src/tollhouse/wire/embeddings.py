"""OpenAI Embeddings."""

import binascii
from array import array
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.routes import Manners, Target
from tollhouse.wire import answers, json_text
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import Framing, WholeFraming
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.vocabulary import openai_usage
from tollhouse.wire.whole import WholeMeter

_SCHEMA = RequestSchema("embeddings")
_FAULT = answers.objects_at("data")


class EmbeddingsFormat:
    """`POST /v1/embeddings`: always whole, and nothing is generated."""

    name = "embeddings"
    dialect = "openai"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        # Some hosts embed images too: objects, whose tokens their bytes do not bound.
        media = sum(isinstance(part, dict) for part in body["input"])
        return Facts(model=body["model"], size=size, media=media, generates=False)

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        return json_text.write({**call.body, "model": target.upstream_model})

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        return False

    def framing(self, facts: Facts) -> Framing:
        return WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        return WholeMeter(openai_usage, facts, input_bound, fault=_FAULT)


def first_vector(reply: bytes) -> Sequence[float] | None:
    """The vector of the first text, whichever way it is written; None where there is none to be read."""
    document = json_text.read_leniently(reply)
    data = document.get("data") if isinstance(document, dict) else None
    first = data[0] if isinstance(data, list) and data else None
    numbers = first.get("embedding") if isinstance(first, dict) else None
    if isinstance(numbers, str):
        try:
            numbers = array("f", b64decode(numbers, validate=True)).tolist()  # little-endian, as machines are
        except (binascii.Error, ValueError):
            return None
    if not isinstance(numbers, list) or not numbers or not all(type(number) in (int, float) for number in numbers):
        return None
    return numbers
