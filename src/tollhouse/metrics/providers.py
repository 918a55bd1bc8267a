"""What became of attempts at providers."""

from prometheus_client import Counter, Gauge

from tollhouse.metrics.registry import REGISTRY

UPSTREAM_ATTEMPTS = Counter(
    "tollhouse_upstream_attempts",
    "Attempts to get an answer of a provider; the outcome is ok or the code of the error.",
    ["provider", "outcome"],
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
CREDENTIAL_RESTS = Counter(
    "tollhouse_credential_rests",
    "Times that one of a provider's several keys was left alone for a while: at its rate limit, refused, or spent.",
    ["provider", "kind"],
    registry=REGISTRY,
)
