"""What calls used, cost and hold, and what budgets say of that."""

from prometheus_client import Counter, Gauge

from tollhouse.metrics.registry import REGISTRY

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
CACHE_SAVED_NANODOLLARS = Counter(
    "tollhouse_cache_saved_nanodollars",
    "What calls would have cost whose reply was given again, as far as it is known, in billionths of a US dollar.",
    ["model"],
    registry=REGISTRY,
)
HELD_NANODOLLARS = Gauge(
    "tollhouse_held_nanodollars",
    "What open calls hold at most, of all processes, in billionths of a US dollar. Told by the scheduler that leads.",
    multiprocess_mode="mostrecent",
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
