"""The one JSON reader and writer of the gateway. What it lets in, it can write out again."""

import re
from typing import Any, cast

import orjson

from tollhouse.domain.errors import InvalidJSON

DEEPEST = 100
"""Levels of nesting. The writer's own limit is 254; no vendor's request comes near either."""

_LONG_DIGITS = re.compile(rb"[0-9]{19}")
_LONG_INTEGER = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(?<![0-9.eE+-])(-?[0-9]{19,}+)(?![.eE])')
"""Of valid JSON: a whole string, to step over it, or a long number that is no part of a fraction or power."""
_LARGEST = 2**64


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object from UTF-8 bytes. InvalidJSON says where it is wrong.

    Refused: NaN and infinities, invalid UTF-8, integers beyond 64 bits (orjson would make them
    floats), nesting deeper than `DEEPEST`. Of duplicate keys the last counts, and is what is sent on.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        at = f"at line {error.lineno}, column {error.colno}" if text else "because it is empty"
        raise InvalidJSON(f"The body is not valid JSON {at}: {error.msg[:120]}.") from None
    if not isinstance(value, dict):
        raise InvalidJSON("The body must be a JSON object.")
    if _LONG_DIGITS.search(text):
        _refuse_large_integers(text)
    # A body with few brackets cannot be deep; counting them is much cheaper than walking it.
    if text.count(b"[") + text.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
        raise InvalidJSON(f"The body is nested deeper than {DEEPEST} levels.")
    return value


def write(value: Any) -> bytes:
    """Compact UTF-8 JSON."""
    return orjson.dumps(value)


def read_leniently(text: bytes) -> Any:
    """What an upstream sent: a value, or None when it is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _refuse_large_integers(text: bytes) -> None:
    for found in _LONG_INTEGER.finditer(text):
        digits = found[1]
        if digits and (len(digits) > 20 or not -(_LARGEST >> 1) <= int(digits) < _LARGEST):
            raise InvalidJSON(f"The number {digits[:40].decode()} in the body does not fit in 64 bits.")


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= DEEPEST:
        deepest += 1
        following: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                following.extend(cast("dict[str, Any]", item).values())
            elif isinstance(item, list):
                following.extend(item)
        level = [item for item in following if isinstance(item, (dict, list))]
    return deepest
