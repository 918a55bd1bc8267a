"""Spans in OTLP's JSON, which every collector takes on its HTTP port beside protobuf.

Written here rather than by OpenTelemetry's SDK, which takes as long for the spans of a call as the gateway for the
call (ADR 12). https://opentelemetry.io/docs/specs/otlp/
"""

import socket
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import orjson

from tollhouse.domain.trace import Span, Trace
from tollhouse.logs.masking import mask

_KINDS = {"internal": 1, "server": 2, "client": 3, "consumer": 5}
SAMPLED = 1
THIS_TURN = 32
"""Traces that are written before others have their turn: half a millisecond."""
_MOST = 2**64 - 1


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
        scope = {"name": "tollhouse", "version": version("tollhouse")}
        self._head = (
            f'{{"resourceSpans":[{{"resource":{{"attributes":{_attributes(resource)}}},'
            f'"scopeSpans":[{{"scope":{_json(scope)},"spans":['
        )

    def request(self, traces: Sequence[Trace]) -> bytes:
        """One export request. Others have their turn in between."""
        spans: list[str] = []
        for at in range(0, len(traces), THIS_TURN):
            if at:
                time.sleep(0)
            spans += [one for trace in traces[at : at + THIS_TURN] for one in _spans(trace)]
        return f"{self._head}{','.join(spans)}]}}]}}]}}".encode()


def _spans(trace: Trace) -> list[str]:
    # As text, in a third of the time that it takes to build it and have it written. 64-bit numbers are text in
    # protobuf's JSON, ids are hexadecimal in OTLP's, and what is empty is left out.
    root = trace.root
    common = f'{{"traceId":"{trace.id}","flags":{SAMPLED},'
    if trace.state:
        common += f'"traceState":{_quoted(trace.state)},'
    below = f'{common}"parentSpanId":"{root.id}","kind":{_KINDS["internal"]},"spanId":"'
    id = int(root.id, 16)
    written = [_span(common, span) for span in (root, *trace.attempts)]
    for number, (name, began, ended) in enumerate(trace.stages, 1):
        # Ids need to differ within the trace, and nobody but this refers to them.
        written.append(
            f'{below}{(id + number) & _MOST:016x}","name":"{name}","startTimeUnixNano":"{began}",'
            f'"endTimeUnixNano":"{ended}"}}'
        )
    return written


def _span(common: str, span: Span) -> str:
    parent = f'"parentSpanId":"{span.parent}",' if span.parent else ""
    attributes, status = span.attributes, ""
    if span.error is not None:
        attributes, status = attributes | {"error.type": span.error}, ',"status":{"code":2}'
    return (
        f'{common}{parent}"spanId":"{span.id}","name":{_quoted(span.name)},"kind":{_KINDS[span.kind]},'
        f'"startTimeUnixNano":"{span.began}","endTimeUnixNano":"{span.ended or span.began}",'
        f'"attributes":{_attributes(attributes)}{status}}}'
    )


def _attributes(given: Mapping[str, Any]) -> str:
    return f"[{','.join([_attribute(name, value) for name, value in given.items() if value is not None])}]"


def _attribute(name: str, value: object) -> str:
    if type(value) is str:
        return f'{{"key":"{name}","value":{{"stringValue":{_quoted(value)}}}}}'
    if type(value) is int:
        return f'{{"key":"{name}","value":{{"intValue":"{value}"}}}}'
    kind = "boolValue" if isinstance(value, bool) else "doubleValue"
    return f'{{"key":"{name}","value":{{"{kind}":{_json(value)}}}}}'


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


@lru_cache(4096)
def _quoted(text: str) -> str:
    """Masked: this is all that somebody else has chosen. Most of it comes again and again."""
    return mask(orjson.dumps(text)).decode()
