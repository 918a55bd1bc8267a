"""W3C trace context, as a caller sends it: https://www.w3.org/TR/trace-context/"""

import re
from typing import NamedTuple

LONGEST_STATE = 512
"""Characters of a `tracestate` that are passed on; the standard asks for no less."""
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class Context(NamedTuple):
    trace_id: str
    span_id: str
    sampled: bool


def read_parent(text: str) -> Context | None:
    """None where it is no `traceparent`: then a trace begins here."""
    found = _PARENT.fullmatch(text.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return Context(trace_id, span_id, bool(int(flags, 16) & 1))


def read_state(text: str | None) -> str:
    """What other vendors keep in a trace; "" for what cannot be passed on."""
    if not text or len(text) > LONGEST_STATE or not (text.isascii() and text.isprintable()):
        return ""
    return text.strip()
