"""Embeddings: for each text a vector of length 1 that only the text decides."""

import base64
import struct
from array import array
from collections.abc import Mapping
from hashlib import shake_256
from math import sqrt
from typing import Any

from tollhouse.providers.echo.options import EchoOptions
from tollhouse.providers.echo.reply import EchoReply, UnreadableBody, model_of, whole_number, whole_reply

DIMENSIONS = 8


def embeddings(body: Mapping[str, Any], _digest: str, _options: EchoOptions) -> EchoReply:
    texts = _texts(body.get("input"))
    size = whole_number(body.get("dimensions"), "dimensions", 1, 8192) or DIMENSIONS
    is_packed = body.get("encoding_format") == "base64"
    vectors = [_vector(text, size) for text in texts]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _packed(vector) if is_packed else vector.tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return whole_reply(200, {"object": "list", "data": data, "model": model_of(body), "usage": usage})


def _texts(given: object) -> list[str]:
    """A text, texts, tokens, or lists of tokens; a list of tokens is a text of their numbers."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(one, int) for one in given):
            return [" ".join(map(str, given))]
        if all(isinstance(one, str) for one in given):
            return given
        if all(isinstance(one, list) and all(isinstance(token, int) for token in one) for one in given):
            return [" ".join(map(str, one)) for one in given]
    raise UnreadableBody("input must be a text, a list of texts, or lists of tokens.")


def _vector(text: str, size: int) -> "array[float]":
    """In single precision, as the vendor's are."""
    noise = struct.unpack(f"<{size}i", shake_256(text.encode()).digest(4 * size))
    length = sqrt(sum(number * number for number in noise)) or 1.0
    return array("f", [number / length for number in noise])


def _packed(vector: "array[float]") -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
