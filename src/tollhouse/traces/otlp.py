"""Spans as OTLP has them in protobuf, which every collector takes on its HTTP port.

Written here rather than by OpenTelemetry's SDK, which takes as long for the spans of a call as the gateway for the
call (ADR 12). https://opentelemetry.io/docs/specs/otlp/; its fields are in `opentelemetry/proto/trace/v1/trace.proto`.
"""

import socket
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from struct import Struct, pack
from typing import Any

from tollhouse.domain.trace import Group, Kind, Span, Trace
from tollhouse.logs.masking import mask
from tollhouse.traces.protobuf import field, read_varint, varint

CONTENT_TYPE = "application/x-protobuf"

# What a field begins with: its number and how its value is written. Of a request, its resource and its scope:
_RESOURCE_SPANS, _RESOURCE, _SCOPE_SPANS, _SCOPE, _SPAN = b"\x0a", b"\x0a", b"\x12", b"\x0a", b"\x12"
_OF_RESOURCE, _SCOPE_NAME, _SCOPE_VERSION = b"\x0a", b"\x0a", b"\x12"
# Of a span:
_TRACE_ID, _SPAN_ID, _STATE, _PARENT, _NAME, _KIND = b"\x0a\x10", b"\x12\x08", b"\x1a", b"\x22\x08", b"\x2a", b"\x30"
_BEGAN, _ENDED, _ATTRIBUTE, _FAILED, _SAMPLED = b"\x39", b"\x41", b"\x4a", b"\x7a\x02\x18\x02", b"\x85\x01\x01\0\0\0"
# Of an attribute:
_KEY, _VALUE, _TEXT, _TRUTH, _WHOLE, _DOUBLE = b"\x0a", b"\x12", b"\x0a", b"\x10", b"\x18", b"\x21"

_KINDS: Mapping[Kind, bytes] = {"internal": b"\x01", "server": b"\x02", "client": b"\x03", "consumer": b"\x05"}
_ID_AND_TIMES = Struct("<2s8ssQsQ")
_STAGE = Struct("<2sQsQsQ")
_UNIQUE = frozenset({"tollhouse.request_id"})
"""Of our own making, and of each call another: neither to be masked nor to be remembered."""


class Encoder:
    """Of one process."""

    def __init__(self, service: str, process: str) -> None:
        resource = {
            "service.name": service,
            "service.version": version("tollhouse"),
            "host.name": socket.gethostname(),
            "tollhouse.process": process,
            "telemetry.sdk.name": "tollhouse",
            "telemetry.sdk.language": "python",
        }
        scope = field(_SCOPE_NAME, b"tollhouse") + field(_SCOPE_VERSION, version("tollhouse").encode())
        # An attribute is the same everywhere, but for the number of its field.
        attributes = [_OF_RESOURCE + _attribute(*one)[1:] for one in resource.items()]
        self._resource = field(_RESOURCE, b"".join(attributes))
        self._scope = field(_SCOPE, scope)

    def request(self, spans: Sequence[bytes]) -> bytes:
        """One export request of what `spans_of` has written."""
        scoped = len(self._scope) + sum(map(len, spans))
        head = self._resource + _SCOPE_SPANS + varint(scoped)
        return b"".join((_RESOURCE_SPANS, varint(len(head) + scoped), head, self._scope, *spans))


def rejected(answer: bytes) -> int:
    """Of a request that was taken in part, how many spans were not: the first field of its answer's one field."""
    try:
        if answer[:1] == b"\x0a":
            _, at = read_varint(answer, 1)
            if answer[at : at + 1] == b"\x08":
                return read_varint(answer, at + 1)[0]
    except IndexError:
        pass  # who answers something else has taken it, as its status says
    return 0


def spans_of(trace: Trace) -> bytes:
    """The spans of a call, as a request has them."""
    common = _TRACE_ID + trace.id + _SAMPLED
    if trace.state:
        common += field(_STATE, mask(trace.state.encode()))
    root = trace.root
    below = common + _PARENT + root.id.to_bytes(8, "big")
    written = [_span(common + _PARENT + trace.caller if trace.caller else common, root)]
    written += [_span(below, attempt) for attempt in trace.attempts]
    # The id of a stage needs to differ within the trace, and nobody refers to it.
    id, size = root.id + len(trace.attempts), len(below) + _STAGE.size
    for name, began, ended in trace.stages:
        id += 1
        written += _stage(name, size), below, _STAGE.pack(_SPAN_ID, id, _BEGAN, began, _ENDED, ended)
    return b"".join(written)


@lru_cache(1024)
def _stage(name: str, size: int) -> bytes:
    """What the span of this stage begins with, before `size` bytes."""
    named = _named(name, "internal")
    return _SPAN + varint(len(named) + size) + named


@lru_cache(4096)
def _named(name: str, kind: Kind) -> bytes:
    return field(_NAME, mask(name.encode())) + _KIND + _KINDS[kind]


def _span(common: bytes, span: Span) -> bytes:
    times = _ID_AND_TIMES.pack(
        _SPAN_ID, span.id.to_bytes(8, "big"), _BEGAN, span.began, _ENDED, span.ended or span.began
    )
    parts = [_named(span.name, span.kind), common, times, *map(_group, span.groups)]
    parts += [_attribute(name, value) for name, value in span.attributes.items() if value is not None]
    if span.error is not None:
        parts += _text("error.type", span.error), _FAILED
    return field(_SPAN, b"".join(parts))


@lru_cache(4096)
def _group(group: Group) -> bytes:
    return b"".join([_attribute(name, value) for name, value in group])


def _attribute(name: str, value: Any) -> bytes:
    if type(value) is int:
        number = varint(value)
        return _before(name, len(number)) + number
    if type(value) is str:
        return _text(name, value) if name not in _UNIQUE else _with(name, field(_TEXT, value.encode()))
    if isinstance(value, bool):
        return _with(name, _TRUTH + varint(value))
    return _with(name, _DOUBLE + pack("<d", value))


@lru_cache(4096)
def _text(name: str, text: str) -> bytes:
    """Masked: this is all that somebody else has chosen. Most of it comes again and again."""
    return _with(name, field(_TEXT, mask(text.encode())))


@lru_cache(1024)
def _before(name: str, digits: int) -> bytes:
    """All of an attribute that stands before the digits of a whole number."""
    return _with(name, _WHOLE + bytes(digits))[:-digits]


def _with(name: str, value: bytes) -> bytes:
    return field(_ATTRIBUTE, field(_KEY, name.encode()) + field(_VALUE, value))
