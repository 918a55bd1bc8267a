"""What the spans of a call say: the names are those of OpenTelemetry's GenAI conventions, else our own.

Nothing of it is a caller's words: a model is named as the catalogue names it.
"""

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from tollhouse import traces
from tollhouse.domain.ledger import Entry
from tollhouse.domain.operations import operation_of
from tollhouse.domain.routes import Target
from tollhouse.domain.trace import Attributes, Trace


@lru_cache(1024)
def _server_of(base_url: str) -> Attributes:
    where = urlsplit(base_url)
    if not where.hostname:
        return {}
    port = where.port or (443 if where.scheme == "https" else 80)
    return {"server.address": where.hostname, "server.port": port}


def begin_attempt(
    trace: Trace, format: str, target: Target, number: int, headers: Mapping[str, str]
) -> Mapping[str, str]:
    """The span of an attempt, and the headers of its call: with the trace, where the provider is told of it."""
    operation, host = operation_of(format), target.host
    attributes: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": host.name,
        "gen_ai.request.model": target.upstream_model,
        "tollhouse.attempt": number,
    }
    attributes |= _server_of(host.base_url)
    trace.attempt(f"{operation} {target.upstream_model}", attributes)
    if not traces.goes_to(host.name):
        return headers
    told = {**headers, "traceparent": trace.parent}
    return told | {"tracestate": trace.state} if trace.state else told


def end_trace(trace: Trace, entry: Entry) -> None:
    """The call is settled: what it used, what it cost, how it ended."""
    attempt, usage = entry.attempt, entry.usage
    error = None if entry.outcome == "ok" else entry.outcome
    used: Attributes = {"gen_ai.usage.input_tokens": usage.prompt, "gen_ai.usage.output_tokens": usage.output}
    if usage.cache_read:
        used["gen_ai.usage.cache_read.input_tokens"] = usage.cache_read
    if usage.cache_write:
        used["gen_ai.usage.cache_creation.input_tokens"] = usage.cache_write
    trace.end_attempt(error, used)
    trace.end(
        error,
        {
            "http.response.status_code": entry.status,
            "gen_ai.operation.name": operation_of(attempt.format),
            "gen_ai.request.model": attempt.model,
            **used,
            "tollhouse.request_id": attempt.request_id,
            "tollhouse.team": attempt.team_id,
            "tollhouse.key": attempt.key_id,
            "tollhouse.attempts": entry.attempts,
            "tollhouse.cost_nanos": entry.cost,
        },
    )
