"""Every metric, declared once.

With PROMETHEUS_MULTIPROC_DIR set before this module is imported, the processes of one gateway count into
files of that folder and `render` adds them up; without it, this process counts for itself. The folder must
be on memory, such as /dev/shm: the files are mapped, so writing one on a full disk kills the process.

Labels are bounded: models, providers and formats are those of the catalogue, and no key, user or request
is ever a label.
"""

import os
from functools import lru_cache
from typing import NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from tollhouse.domain.ledger import Entry

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()

_SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ


class _Process:
    """Who counts. Asked for with each count, so it is kept rather than asked of the system."""

    identity = str(os.getpid())
    named = False

    @classmethod
    def begin(cls) -> None:
        if not cls.named:
            cls.identity = str(os.getpid())


os.register_at_fork(after_in_child=_Process.begin)

if _SHARED:
    values.ValueClass = values.MultiProcessValue(lambda: _Process.identity)  # type: ignore[no-untyped-call]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

CALLS = Counter(
    "tollhouse_calls",
    "Calls that were admitted, by the HTTP status that the caller saw.",
    ["format", "provider", "model", "status"],
    registry=REGISTRY,
)
IDEMPOTENT_CALLS = Counter(
    "tollhouse_idempotent_calls",
    "Calls with an Idempotency-Key: kept, replayed, released to be made anew, too_long to be kept, or an error's code.",
    ["outcome"],
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "tollhouse_call_seconds",
    "Time from a call's admission to its settlement.",
    ["format", "provider", "model"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
FIRST_TOKEN_SECONDS = Histogram(
    "tollhouse_first_token_seconds",
    "Time from a call's admission to the first of its output.",
    ["format", "provider", "model"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
TOKENS = Counter(
    "tollhouse_tokens",
    "Tokens used; input, cache_read, cache_write and output are disjoint.",
    ["model", "kind"],
    registry=REGISTRY,
)
COST_NANODOLLARS = Counter(
    "tollhouse_cost_nanodollars",
    "Cost of the calls whose price is known, in billionths of a US dollar.",
    ["model"],
    registry=REGISTRY,
)
UNPRICED_CALLS = Counter(
    "tollhouse_unpriced_calls", "Calls that were booked without a cost.", ["model"], registry=REGISTRY
)
HOLD_REFUSALS = Counter(
    "tollhouse_hold_refusals",
    "Calls refused before they were sent, by the code of the error.",
    ["code"],
    registry=REGISTRY,
)
UPSTREAM_ATTEMPTS = Counter(
    "tollhouse_upstream_attempts",
    "Attempts to get an answer of a provider; the outcome is ok or the code of the error.",
    ["provider", "outcome"],
    registry=REGISTRY,
)
OVERLOAD_REFUSALS = Counter(
    "tollhouse_overload_refusals",
    "Calls refused because a process had as many open calls as it may, by the priority of their key.",
    ["priority"],
    registry=REGISTRY,
)
CREDENTIALS_BAD = Gauge(
    "tollhouse_credentials_bad",
    "Whether the provider refused its credential when it was last called, in any process.",
    ["provider"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
CREDENTIAL_REFUSALS = Counter(
    "tollhouse_credential_refusals",
    "Attempts that a provider refused for its credential, by 401 or 403.",
    ["provider"],
    registry=REGISTRY,
)
CREDENTIAL_RESTS = Counter(
    "tollhouse_credential_rests",
    "Times that one of a provider's several keys was left alone for a while: at its rate limit, refused, or spent.",
    ["provider", "kind"],
    registry=REGISTRY,
)
PROVIDERS_UP = Gauge(
    "tollhouse_providers_up",
    "Whether the provider answered and took its credential when it was last probed.",
    ["provider"],
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
BREAKERS_OPEN = Gauge(
    "tollhouse_breakers_open",
    "Whether a deployment of the model at the provider rests after failures, in any process.",
    ["provider", "model"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
BREAKER_OPENINGS = Counter(
    "tollhouse_breaker_openings",
    "Times that a deployment was left alone after failures.",
    ["provider", "model"],
    registry=REGISTRY,
)
BODY_MEMORY_BYTES = Gauge(
    "tollhouse_body_memory_bytes",
    "Memory that is set aside for request bodies over 64 kB.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
BODY_MEMORY_REFUSALS = Counter(
    "tollhouse_body_memory_refusals",
    "Requests refused because there was no memory for their body in time.",
    registry=REGISTRY,
)
LEDGER_GROUP_SIZE = Histogram(
    "tollhouse_ledger_group_size",
    "Holds and settlements of one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    registry=REGISTRY,
)
LEDGER_COMMIT_SECONDS = Histogram(
    "tollhouse_ledger_commit_seconds",
    "Time of one transaction of the ledger, with its retries.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    registry=REGISTRY,
)
LEDGER_QUEUE_DEPTH = Gauge(
    "tollhouse_ledger_queue_depth",
    "Holds and settlements that wait to be written.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
LEDGER_RETRIES = Counter(
    "tollhouse_ledger_retries",
    "Transactions of the ledger that were tried again after contention.",
    registry=REGISTRY,
)
LEDGER_FAILURES = Counter(
    "tollhouse_ledger_failures",
    "Holds and settlements that the database refused for good.",
    registry=REGISTRY,
)
LEDGER_HOLDS_TIMED_OUT = Counter(
    "tollhouse_ledger_holds_timed_out",
    "Calls refused because their hold was not decided in time.",
    registry=REGISTRY,
)
LEDGER_UP = Gauge(
    "tollhouse_ledger_up",
    "Whether the ledger's database takes what it is given; 0 when it does not for one process.",
    ["process"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
SPOOL_FAILURES = Counter(
    "tollhouse_spool_failures",
    "Times that settlements could not be put on the disk while the database was away.",
    registry=REGISTRY,
)
HOLDS_SWEPT = Counter(
    "tollhouse_holds_swept",
    "Calls of dead processes that were booked for them, at their last checkpoint or at what a setting says.",
    ["known"],
    registry=REGISTRY,
)
BUDGET_ALERTS = Counter(
    "tollhouse_budget_alerts",
    "Budgets of which a share was spent, in percent, told once a period.",
    ["kind", "percent"],
    registry=REGISTRY,
)
BUDGET_ALERT_DELIVERIES = Counter(
    "tollhouse_budget_alert_deliveries",
    "Attempts to tell of a budget by mail or webhook.",
    ["channel", "outcome"],
    registry=REGISTRY,
)
REDIS_UP = Gauge(
    "tollhouse_redis_up",
    "Whether Redis answers its clients; 0 when it does not answer one process.",
    ["client"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
LIMIT_REFUSALS = Counter(
    "tollhouse_limit_refusals",
    "Calls that a limit refused, by the kind of its scope and by what it limits.",
    ["scope", "kind"],
    registry=REGISTRY,
)
LIMITS_BY_SHARE = Counter(
    "tollhouse_limits_by_share",
    "Calls that were decided by this process's share of the limits, because Redis did not answer.",
    registry=REGISTRY,
)
LIMITER_TRIP_SECONDS = Histogram(
    "tollhouse_limiter_trip_seconds",
    "Time of one trip to Redis, which decides all calls that wait for their limits.",
    buckets=(0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
    registry=REGISTRY,
)
CACHE_CALLS = Counter(
    "tollhouse_cache_calls",
    "Calls whose reply may be given again: hit, it was; shared, it came from a call that was under way; miss, a "
    "provider was called.",
    ["outcome"],
    registry=REGISTRY,
)
LOG_LINES_DROPPED = Counter(
    "tollhouse_log_lines_dropped",
    "Log lines that could not be written, as on a full disk.",
    registry=REGISTRY,
)
JOBS = Counter(
    "tollhouse_jobs",
    "Background jobs; the outcome is ok, error, killed or refused.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
BATCH_LINES = Counter(
    "tollhouse_batch_lines",
    "Lines of batches that were called; the outcome is completed, failed, or later: it waits to be called again.",
    ["outcome"],
    registry=REGISTRY,
)
BACKGROUND_RESPONSES = Counter(
    "tollhouse_background_responses",
    "Attempts at responses in the background; the outcome is completed, incomplete, failed, later: it waits to be "
    "called again, lost: it was cancelled or deleted meanwhile, or other.",
    ["outcome"],
    registry=REGISTRY,
)
WEBHOOK_DELIVERIES = Counter(
    "tollhouse_webhook_deliveries",
    "Attempts to deliver to webhooks; the outcome is delivered, failed: it is tried again later, given_up, or lost: "
    "another process has it.",
    ["outcome"],
    registry=REGISTRY,
)
WEBHOOKS_DISABLED = Counter(
    "tollhouse_webhooks_disabled",
    "Webhooks that were disabled by themselves; the kind is failing, or gone: the receiver said so.",
    ["kind"],
    registry=REGISTRY,
)
CATALOGUE_VERSION = Gauge(
    "tollhouse_catalogue_version",
    "Version of the catalogue in use; the oldest of all processes of the kind.",
    ["process"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)


class _CallMetrics(NamedTuple):
    seconds: Histogram
    first_token: Histogram
    input: Counter
    cache_read: Counter
    cache_write: Counter
    output: Counter
    cost: Counter


@lru_cache(4096)
def _of_call(format: str, provider: str, model: str) -> _CallMetrics:
    return _CallMetrics(
        seconds=CALL_SECONDS.labels(format, provider, model),
        first_token=FIRST_TOKEN_SECONDS.labels(format, provider, model),
        input=TOKENS.labels(model, "input"),
        cache_read=TOKENS.labels(model, "cache_read"),
        cache_write=TOKENS.labels(model, "cache_write"),
        output=TOKENS.labels(model, "output"),
        cost=COST_NANODOLLARS.labels(model),
    )


@lru_cache(4096)
def _calls(format: str, provider: str, model: str, status: int) -> Counter:
    return CALLS.labels(format, provider, model, str(status))


def observe_call(entry: Entry) -> None:
    """Count a settled call once: what it was, what it used, what it cost, how long it took."""
    attempt = entry.attempt
    _calls(attempt.format, attempt.provider, attempt.model, entry.status).inc()
    of = _of_call(attempt.format, attempt.provider, attempt.model)
    of.seconds.observe(entry.latency_us / 1e6)
    if entry.first_token_us is not None:
        of.first_token.observe(entry.first_token_us / 1e6)
    observe_tokens(entry)


def observe_tokens(entry: Entry) -> None:
    """Count what an attempt used and cost: a part of `observe_call`, or all that there is of one that was not the
    call's last.
    """
    attempt, usage = entry.attempt, entry.usage
    of = _of_call(attempt.format, attempt.provider, attempt.model)
    if usage.input:
        of.input.inc(usage.input)
    if usage.cache_read:
        of.cache_read.inc(usage.cache_read)
    if usage.cache_write:
        of.cache_write.inc(usage.cache_write)
    if usage.output:
        of.output.inc(usage.output)
    if entry.cost is None:
        UNPRICED_CALLS.labels(attempt.model).inc()
    elif entry.cost:
        of.cost.inc(entry.cost)


def render() -> bytes:
    """All metrics in Prometheus' text format, of type CONTENT_TYPE."""
    if not _SHARED:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def count_as(identity: str) -> None:
    """Count into the file of this name rather than one of this process's id.

    For processes that come and go one after the other, as work-horses do: each would leave files behind.
    No two that live at the same time may have one name; an underscore in it is not allowed.
    """
    _Process.identity, _Process.named = identity, True


def forget_process(identity: str) -> None:
    """Take a dead process out of the gauges of living ones. `identity` is its id, or its name."""
    if _SHARED:
        mark_process_dead(identity)  # type: ignore[no-untyped-call]
