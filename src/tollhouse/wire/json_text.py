"""The one JSON reader and writer of the gateway. What it lets in, it can write out again."""

import gc
import re
from typing import Any, cast

import orjson

from tollhouse.domain.errors import InvalidJSON

DEEPEST = 100
"""Levels of nesting. The writer's own limit is 254; no vendor's request comes near either."""

LARGE = 256 * 1024
"""Bytes of a body that are read at once; a larger one is read where it holds up nobody else."""
MOST_VALUES = 1_000_000
"""Members of objects and items of lists in one body. Anthropic takes 100,000 messages; 10 million empty lists kept
the interpreter busy for 4 s.
"""
_PIECE = 65_536
_DIGITS_ALIKE = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG_DIGITS = b"0" * 19
_LONG_INTEGER = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(?<![0-9.eE+-])(-?[0-9]{19,}+)(?![.eE])')
"""Of valid JSON: a whole string, to step over it, or a long number that is no part of a fraction or power."""
_LARGEST = 2**64
_LONGEST_NAME = 200
_NAME = re.compile(r'"([^"\\]{1,100})"\s*:\s*\Z')


def read_object(text: bytes | bytearray) -> dict[str, Any]:
    """A JSON object from UTF-8 bytes. InvalidJSON says where it is wrong.

    Refused: NaN and infinities, invalid UTF-8, integers beyond 64 bits (orjson would make them
    floats), nesting deeper than `DEEPEST`. Of duplicate keys the last counts, and is what is sent on.
    """
    try:
        value = orjson.loads(text) if len(text) < LARGE else _loads_unswept(text)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith("number is infinity") and (name := _name_before(error.doc[: error.pos])):
            raise InvalidJSON(f"{name}: The number is larger than any that fits in 64 bits.", param=name) from None
        at = f"at line {error.lineno}, column {error.colno}" if text else "because it is empty"
        raise InvalidJSON(f"The body is not valid JSON {at}: {error.msg[:120]}.") from None
    if not isinstance(value, dict):
        raise InvalidJSON("The body must be a JSON object.")
    if _has_long_digits(text):
        _refuse_large_integers(text)
    # A body with few brackets cannot be deep; counting them is much cheaper than walking it.
    if text.count(b"[") + text.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
        raise InvalidJSON(f"The body is nested deeper than {DEEPEST} levels.")
    return value


def write(value: Any) -> bytes:
    """Compact UTF-8 JSON."""
    return orjson.dumps(value)


def write_sorted(value: Any) -> bytes:
    """The same for all that says the same, whatever order its fields were in."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def read_leniently(text: bytes) -> Any:
    """What an upstream sent: a value, or None when it is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def weigh(text: bytes | bytearray) -> int:
    """About how many bytes this JSON takes when it is parsed and then written out. InvalidJSON for too many values.

    Python keeps a string at the width of its widest character. What is not ASCII is taken to need three bytes where
    it has one; a string with a character beyond the basic plane, such as an emoji, needs up to five.
    """
    marks = text.count(b",") + text.count(b"[") + text.count(b"{")
    if marks > MOST_VALUES:
        marks = _values(text)
    wide = not text.isascii() or (b"\\" in text and b"\\u" in text)
    return len(text) * (4 if wide else 2) + 64 * marks


def _values(text: bytes | bytearray) -> int:
    """The marks before values, without those that stand in strings. Valid JSON is not asked for."""
    values, start, within = 0, 0, 0
    while start < len(text):
        end = min(start + _PIECE, len(text))
        while end < len(text) and text[end - 1] == ord("\\"):
            end += 1
        piece = text[start:end].replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b" ".join(piece[within::2])
        values += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        if values > MOST_VALUES:
            raise InvalidJSON(f"The body has more than {MOST_VALUES} values, the most that this gateway takes.")
        within ^= (len(piece) - 1) & 1
        start = end
    return values


def _loads_unswept(text: bytes | bytearray) -> Any:
    """Without the garbage collector, which would look through all that is there again and again: a million lists
    took 500 ms, and take 65.
    """
    swept = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(text)
    finally:
        if swept:
            gc.enable()


def _has_long_digits(text: bytes | bytearray) -> bool:
    """Whether there is a run of 19 digits. A pattern that looks for them takes six times as long."""
    pieces = range(0, len(text), _PIECE)
    return any(_LONG_DIGITS in text[at : at + _PIECE + 18].translate(_DIGITS_ALIKE) for at in pieces)


def _refuse_large_integers(text: bytes | bytearray) -> None:
    for found in _LONG_INTEGER.finditer(text):
        digits = found[1]
        if digits and (len(digits) > 20 or not -(_LARGEST >> 1) <= int(digits) < _LARGEST):
            name = _name_before(text[max(0, found.start() - _LONGEST_NAME) : found.start()].decode(errors="replace"))
            number = f"The number {digits[:40].decode()} in the body does not fit in 64 bits."
            raise InvalidJSON(f"{name}: {number}" if name else number, param=name)


def _name_before(text: str) -> str | None:
    """The name of the field whose value begins where this text ends; None where that is no field's."""
    found = _NAME.search(text[-_LONGEST_NAME:])
    return found[1] if found else None


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
