"""Work in the background."""

from prometheus_client import Counter, Gauge

from tollhouse.metrics.registry import REGISTRY

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
PROVIDER_BATCHES = Counter(
    "tollhouse_provider_batches",
    "Batches at providers' own batch interfaces: sent; found again after a crash; cancelled; then completed, expired, "
    "refused or lost.",
    ["provider", "outcome"],
    registry=REGISTRY,
)
BACKGROUND_RESPONSES = Counter(
    "tollhouse_background_responses",
    "Attempts at responses in the background; the outcome is completed, incomplete, failed, later: it waits to be "
    "called again, lost: it was cancelled or deleted meanwhile, or other.",
    ["outcome"],
    registry=REGISTRY,
)
SCHEDULE_RUNS = Counter(
    "tollhouse_schedule_runs",
    "Runs of schedules: due, started, failed to start, skipped because they were missed.",
    ["outcome"],
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge(
    "tollhouse_queue_depth",
    "What waits for a worker: lines of batches, responses in the background, messages of alerts, deliveries to "
    "webhooks. Told by the scheduler that leads.",
    ["queue"],
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
QUEUE_AGE_SECONDS = Gauge(
    "tollhouse_queue_age_seconds",
    "How long the oldest of that has been due and nobody took it; 0 where all is under way. Told by the scheduler that "
    "leads.",
    ["queue"],
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
TROUBLES_OPEN = Gauge(
    "tollhouse_troubles_open",
    "Troubles that were told and are not over, as the scheduler that leads sees them.",
    ["kind"],
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
TROUBLE_DELIVERIES = Counter(
    "tollhouse_trouble_deliveries",
    "Attempts to tell of a trouble by mail or webhook; the outcome is delivered or failed.",
    ["channel", "outcome"],
    registry=REGISTRY,
)
SCHEDULER_SURVEYED_SECONDS = Gauge(
    "tollhouse_scheduler_surveyed_seconds",
    "When the scheduler that leads last looked at all this, in seconds since 1970.",
    multiprocess_mode="mostrecent",
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
