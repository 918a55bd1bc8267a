"""What a process of the gateway has and lacks."""

from prometheus_client import Counter, Gauge

from tollhouse.metrics.registry import REGISTRY

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
REDIS_UP = Gauge(
    "tollhouse_redis_up",
    "Whether Redis answers its clients; 0 when it does not answer one process.",
    ["client"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
REQUEST_NOTES = Counter(
    "tollhouse_request_notes",
    "Payloads that a team keeps, and what callers of failed calls were told: kept, or dropped for want of room or of a "
    "database. The ledger is not among them.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
CATALOGUE_VERSION = Gauge(
    "tollhouse_catalogue_version",
    "Version of the catalogue in use; the oldest of all processes of the kind.",
    ["process"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
SPANS_SENT = Counter("tollhouse_spans_sent", "Spans that the collector has taken.", registry=REGISTRY)
SPANS_DROPPED = Counter(
    "tollhouse_spans_dropped",
    "Spans that were not sent, because the collector did not take them or they came faster than it did.",
    registry=REGISTRY,
)
LOG_LINES_DROPPED = Counter(
    "tollhouse_log_lines_dropped",
    "Log lines that could not be written, as on a full disk.",
    registry=REGISTRY,
)
