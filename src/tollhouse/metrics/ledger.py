"""How the ledger is written."""

from prometheus_client import Counter, Gauge, Histogram

from tollhouse.metrics.registry import REGISTRY

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
    "Settlements that wait to be written, once a second.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
LEDGER_LAG_SECONDS = Gauge(
    "tollhouse_ledger_lag_seconds",
    "How long settlements have been left unwritten, at the process furthest behind; 0 where all are written in turn.",
    multiprocess_mode="livemax",
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
