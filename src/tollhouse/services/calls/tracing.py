"""What the spans of a call say: the names are those of OpenTelemetry's GenAI conventions, else our own.

Nothing of it is a caller's words: a model is named as the catalogue names it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from tollhouse import traces
from tollhouse.domain.ledger import Entry
from tollhouse.domain.operations import operation_of
from tollhouse.domain.routes import Target
from tollhouse.domain.trace import Group, Trace


@lru_cache(1024)
def _of_attempt(operation: str, provider: str, base_url: str, model: str, number: int) -> tuple[str, Group]:
    """The name of its span, and what is known of it when it begins."""
    known: list[tuple[str, Any]] = [
        ("gen_ai.operation.name", operation),
        ("gen_ai.provider.name", provider),
        ("gen_ai.request.model", model),
        ("tollhouse.attempt", number),
    ]
    where = urlsplit(base_url)
    if where.hostname:
        port = where.port or (443 if where.scheme == "https" else 80)
        known += ("server.address", where.hostname), ("server.port", port)
    return f"{operation} {model}", tuple(known)


@lru_cache(1024)
def _of_call(format: str, model: str, team: str, key: str, status: int, attempts: int) -> Group:
    return (
        ("http.response.status_code", status),
        ("gen_ai.operation.name", operation_of(format)),
        ("gen_ai.request.model", model),
        ("tollhouse.team", team),
        ("tollhouse.key", key),
        ("tollhouse.attempts", attempts),
    )


def begin_attempt(
    trace: Trace, format: str, target: Target, number: int, headers: Mapping[str, str]
) -> Mapping[str, str]:
    """The span of an attempt, and the headers of its call: with the trace, where the provider is told of it."""
    host = target.host
    name, known = _of_attempt(operation_of(format), host.name, host.base_url, target.upstream_model, number)
    trace.attempt(name, {}, known)
    if not traces.goes_to(host.name):
        return headers
    told = {**headers, "traceparent": trace.parent}
    return told | {"tracestate": trace.state} if trace.state else told


def end_trace(trace: Trace, entry: Entry) -> None:
    """The call is settled: what it used, what it cost, how it ended."""
    attempt, usage = entry.attempt, entry.usage
    error = None if entry.outcome == "ok" else entry.outcome
    used: Group = (("gen_ai.usage.input_tokens", usage.prompt), ("gen_ai.usage.output_tokens", usage.output))
    if usage.cache_read:
        used += (("gen_ai.usage.cache_read.input_tokens", usage.cache_read),)
    if usage.cache_write:
        used += (("gen_ai.usage.cache_creation.input_tokens", usage.cache_write),)
    trace.end_attempt(error, used)
    trace.end(
        error,
        {"tollhouse.request_id": attempt.request_id, "tollhouse.cost_nanos": entry.cost},
        used,
        _of_call(attempt.format, attempt.model, attempt.team_id, attempt.key_id, entry.status, entry.attempts),
    )
