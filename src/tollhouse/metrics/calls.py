"""Calls: how they ended, how long they took, what they used. GenAI names, buckets and labels are OpenTelemetry's."""

from functools import lru_cache
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from tollhouse.domain.ledger import Entry
from tollhouse.domain.operations import operation_of
from tollhouse.metrics.money import CACHE_SAVED_NANODOLLARS, COST_NANODOLLARS, TOKENS, UNPRICED_CALLS
from tollhouse.metrics.registry import REGISTRY

__all__ = [
    "CALLS",
    "GEN_AI_CLIENT_TOKEN_USAGE",
    "GEN_AI_SERVER_REQUEST_DURATION_SECONDS",
    "GEN_AI_SERVER_TIME_PER_OUTPUT_TOKEN_SECONDS",
    "GEN_AI_SERVER_TIME_TO_FIRST_TOKEN_SECONDS",
    "OVERHEAD_SECONDS",
    "observe_call",
    "observe_tokens",
]

_OF_CALL = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"]

CALLS = Counter(
    "tollhouse_calls",
    "Calls that were admitted, by the HTTP status that the caller saw.",
    ["format", "provider", "model", "status"],
    registry=REGISTRY,
)
OVERHEAD_SECONDS = Histogram(
    "tollhouse_overhead_seconds",
    "What the gateway itself adds to a call: all of its time, from its being read to its being settled, but for "
    "what it waited for its provider, for a pause before another attempt, and for its client to take the reply.",
    ["format"],
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=REGISTRY,
)
GEN_AI_SERVER_REQUEST_DURATION_SECONDS = Histogram(
    "gen_ai_server_request_duration_seconds",
    "Time from a call's admission to its settlement; error_type is the code of the error it ended with.",
    [*_OF_CALL, "error_type"],
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68),
    registry=REGISTRY,
)
GEN_AI_SERVER_TIME_TO_FIRST_TOKEN_SECONDS = Histogram(
    "gen_ai_server_time_to_first_token_seconds",
    "Time from a call's admission to the first of its output, of calls that ended well.",
    _OF_CALL,
    buckets=(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0),
    registry=REGISTRY,
)
GEN_AI_SERVER_TIME_PER_OUTPUT_TOKEN_SECONDS = Histogram(
    "gen_ai_server_time_per_output_token_seconds",
    "Time per token of output after the first, of streams that ended well.",
    _OF_CALL,
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
    registry=REGISTRY,
)
GEN_AI_CLIENT_TOKEN_USAGE = Histogram(
    "gen_ai_client_token_usage",
    "Tokens of each attempt, as they are billed; of the type input or output.",
    [*_OF_CALL, "gen_ai_token_type"],
    buckets=(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
    registry=REGISTRY,
)


class _OfCall(NamedTuple):
    first_token: Histogram
    per_token: Histogram
    prompt_size: Histogram
    output_size: Histogram
    input: Counter
    cache_read: Counter
    cache_write: Counter
    output: Counter
    cost: Counter


@lru_cache(4096)
def _of_call(format: str, provider: str, model: str) -> _OfCall:
    told = operation_of(format), provider, model
    return _OfCall(
        first_token=GEN_AI_SERVER_TIME_TO_FIRST_TOKEN_SECONDS.labels(*told),
        per_token=GEN_AI_SERVER_TIME_PER_OUTPUT_TOKEN_SECONDS.labels(*told),
        prompt_size=GEN_AI_CLIENT_TOKEN_USAGE.labels(*told, "input"),
        output_size=GEN_AI_CLIENT_TOKEN_USAGE.labels(*told, "output"),
        input=TOKENS.labels(model, "input"),
        cache_read=TOKENS.labels(model, "cache_read"),
        cache_write=TOKENS.labels(model, "cache_write"),
        output=TOKENS.labels(model, "output"),
        cost=COST_NANODOLLARS.labels(model),
    )


@lru_cache(4096)
def _ended(format: str, provider: str, model: str, status: int, outcome: str) -> tuple[Counter, Histogram]:
    error = "" if outcome == "ok" else outcome
    told = operation_of(format), provider, model, error
    return CALLS.labels(format, provider, model, str(status)), GEN_AI_SERVER_REQUEST_DURATION_SECONDS.labels(*told)


@lru_cache(64)
def _overhead(format: str) -> Histogram:
    return OVERHEAD_SECONDS.labels(format)


def observe_call(entry: Entry, overhead: float | None = None) -> None:
    """Count a settled call once: what it was, what it used, what it cost, how long it took; `overhead` in seconds."""
    attempt = entry.attempt
    calls, seconds = _ended(attempt.format, attempt.provider, attempt.model, entry.status, entry.outcome)
    calls.inc()
    seconds.observe(entry.latency_us / 1e6)
    if overhead is not None:
        _overhead(attempt.format).observe(overhead)
    if entry.first_token_us is not None and entry.outcome == "ok":
        of = _of_call(attempt.format, attempt.provider, attempt.model)
        of.first_token.observe(entry.first_token_us / 1e6)
        if attempt.streamed and entry.usage.output > 1:
            of.per_token.observe((entry.latency_us - entry.first_token_us) / 1e6 / (entry.usage.output - 1))
    if entry.saved is not None:
        CACHE_SAVED_NANODOLLARS.labels(attempt.model).inc(entry.saved)
    observe_tokens(entry)


def observe_tokens(entry: Entry) -> None:
    """Count what an attempt used and cost: a part of `observe_call`, or all that there is of one that was not the
    call's last.
    """
    attempt, usage = entry.attempt, entry.usage
    of = _of_call(attempt.format, attempt.provider, attempt.model)
    if prompt := usage.prompt:
        of.prompt_size.observe(prompt)
        if usage.input:
            of.input.inc(usage.input)
        if usage.cache_read:
            of.cache_read.inc(usage.cache_read)
        if usage.cache_write:
            of.cache_write.inc(usage.cache_write)
    if usage.output:
        of.output_size.observe(usage.output)
        of.output.inc(usage.output)
    if entry.cost is None:
        UNPRICED_CALLS.labels(attempt.model).inc()
    elif entry.cost:
        of.cost.inc(entry.cost)
