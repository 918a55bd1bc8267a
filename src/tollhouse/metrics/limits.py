"""What is refused before it is sent, and what answers without a provider."""

from prometheus_client import Counter, Histogram

from tollhouse.metrics.registry import REGISTRY

HOLD_REFUSALS = Counter(
    "tollhouse_hold_refusals",
    "Calls refused before they were sent, by the code of the error.",
    ["code"],
    registry=REGISTRY,
)
OVERLOAD_REFUSALS = Counter(
    "tollhouse_overload_refusals",
    "Calls refused because a process had as many open calls as it may, by the priority of their key.",
    ["priority"],
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
    "Calls whose reply may be given again: hit, it was; similar, one to a similar question was; shared, it came from a "
    "call that was under way; miss, a provider was called.",
    ["outcome"],
    registry=REGISTRY,
)
CACHE_EMBEDDINGS = Counter(
    "tollhouse_cache_embeddings",
    "Vectors of questions, to compare them by: ok; late, it came when nobody waited any more; failed; refused by the "
    "caller's own limits; resting, its model was not asked, for it had failed.",
    ["outcome"],
    registry=REGISTRY,
)
IDEMPOTENT_CALLS = Counter(
    "tollhouse_idempotent_calls",
    "Calls with an Idempotency-Key: kept, replayed, released to be made anew, too_long to be kept, or an error's code.",
    ["outcome"],
    registry=REGISTRY,
)
