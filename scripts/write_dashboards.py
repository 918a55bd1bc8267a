"""Writes the dashboards of deploy/: Grafana's, Kibana's, and the index template beside it. A test checks that they are
up to date, and that every metric and field in them is one that the program has.
"""

import json
import sys
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parent.parent / "deploy"
SOURCE = {"type": "prometheus", "uid": "tollhouse-prometheus"}
WIDTH, HEIGHT = 8, 8
"""Of a panel: three in a row of Grafana's 24 columns."""


def quantile(share: float, histogram: str, by: str = "") -> str:
    names = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({names}) (rate({histogram}_bucket[$__rate_interval])))"


def rate(counter: str, by: str, of: str = "") -> str:
    return f"sum by ({by}) (rate({counter}{of}[$__rate_interval]))"


CALLS = [
    ("Calls by status", "reqps", [(rate("tollhouse_calls_total", "status"), "{{status}}")]),
    (
        "Duration",
        "s",
        [(quantile(q, "gen_ai_server_request_duration_seconds"), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)],
    ),
    (
        "Time to first token",
        "s",
        [
            (quantile(0.95, "gen_ai_server_time_to_first_token_seconds", "gen_ai_request_model"), name)
            for name in ["{{gen_ai_request_model}}"]
        ],
    ),
    (
        "Time per output token",
        "s",
        [
            (
                quantile(0.5, "gen_ai_server_time_per_output_token_seconds", "gen_ai_request_model"),
                "{{gen_ai_request_model}}",
            )
        ],
    ),
    (
        "What the gateway adds",
        "s",
        [(quantile(q, "tollhouse_overhead_seconds"), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)],
    ),
    ("Tokens by kind", "short", [(rate("tollhouse_tokens_total", "kind"), "{{kind}}")]),
    (
        "Attempts that failed, by provider",
        "reqps",
        [
            (
                rate("tollhouse_upstream_attempts_total", "provider, outcome", '{outcome!="ok"}'),
                "{{provider}} {{outcome}}",
            )
        ],
    ),
    ("Refused before they were sent", "reqps", [(rate("tollhouse_hold_refusals_total", "code"), "{{code}}")]),
    ("Refused by a limit", "reqps", [(rate("tollhouse_limit_refusals_total", "scope, kind"), "{{scope}} {{kind}}")]),
]
MONEY = [
    (
        "Spent a day, at the rate of now",
        "currencyUSD",
        [("sum by (model) (rate(tollhouse_cost_nanodollars_total[$__rate_interval])) * 86400 / 1e9", "{{model}}")],
    ),
    (
        "Spent in the last 24 hours",
        "currencyUSD",
        [("sum(increase(tollhouse_cost_nanodollars_total[1d])) / 1e9", "spent")],
    ),
    ("Held by open calls", "currencyUSD", [("max(tollhouse_held_nanodollars) / 1e9", "held")]),
    (
        "Refused for want of budget",
        "reqps",
        [(rate("tollhouse_hold_refusals_total", "code", '{code="insufficient_quota"}'), "refused")],
    ),
    (
        "Saved by the cache in the last 24 hours",
        "currencyUSD",
        [("sum(increase(tollhouse_cache_saved_nanodollars_total[1d])) / 1e9", "saved")],
    ),
    ("Replies that were given again", "reqps", [(rate("tollhouse_cache_calls_total", "outcome"), "{{outcome}}")]),
    ("Calls without a price", "reqps", [(rate("tollhouse_unpriced_calls_total", "model"), "{{model}}")]),
    (
        "Budgets spent in part",
        "short",
        [("sum by (kind, percent) (increase(tollhouse_budget_alerts_total[1d]))", "{{kind}} {{percent}} %")],
    ),
    (
        "Prompt size, 95th percentile",
        "short",
        [
            (
                "histogram_quantile(0.95, sum by (le, gen_ai_token_type) "
                "(rate(gen_ai_client_token_usage_bucket[$__rate_interval])))",
                "{{gen_ai_token_type}}",
            )
        ],
    ),
]
HEALTH = [
    ("Providers that answer", "short", [("min by (provider) (tollhouse_providers_up)", "{{provider}}")]),
    (
        "Deployments that rest",
        "short",
        [("max by (provider, model) (tollhouse_breakers_open)", "{{provider}} {{model}}")],
    ),
    ("Credentials that are refused", "short", [("max by (provider) (tollhouse_credentials_bad)", "{{provider}}")]),
    (
        "Ledger commit",
        "s",
        [(quantile(q, "tollhouse_ledger_commit_seconds"), f"p{q * 100:g}") for q in (0.5, 0.99)],
    ),
    (
        "Ledger behind",
        "s",
        [("max(tollhouse_ledger_lag_seconds)", "lag")],
    ),
    ("Settlements that wait", "short", [("sum(tollhouse_ledger_queue_depth)", "waiting")]),
    ("Work that waits", "short", [("max by (queue) (tollhouse_queue_depth)", "{{queue}}")]),
    ("Age of the oldest that waits", "s", [("max by (queue) (tollhouse_queue_age_seconds)", "{{queue}}")]),
    ("Lines of batches", "reqps", [(rate("tollhouse_batch_lines_total", "outcome"), "{{outcome}}")]),
    (
        "Responses in the background",
        "reqps",
        [(rate("tollhouse_background_responses_total", "outcome"), "{{outcome}}")],
    ),
    ("Jobs", "reqps", [(rate("tollhouse_jobs_total", "kind, outcome"), "{{kind}} {{outcome}}")]),
    (
        "Dropped telemetry",
        "short",
        [
            ("sum(increase(tollhouse_log_lines_dropped_total[$__rate_interval]))", "log lines"),
            ("sum(increase(tollhouse_spans_dropped_total[$__rate_interval]))", "spans"),
        ],
    ),
]
GRAFANA = {
    "calls": ("Tollhouse: calls", CALLS),
    "money": ("Tollhouse: money", MONEY),
    "health": ("Tollhouse: health", HEALTH),
}


def grafana(uid: str, title: str, panels: list[tuple[str, str, list[tuple[str, str]]]]) -> dict[str, Any]:
    return {
        "uid": f"tollhouse-{uid}",
        "title": title,
        "tags": ["tollhouse"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": [_panel(number, *panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, title: str, unit: str, queries: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": number % 3 * WIDTH, "y": number // 3 * HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for at, (expression, legend) in enumerate(queries)
        ],
    }


def pages() -> dict[str, str]:
    """What is written, by its path below deploy/."""
    return {
        f"grafana/dashboards/{name}.json": json.dumps(grafana(name, *given), indent=2) + "\n"
        for name, given in GRAFANA.items()
    }


if __name__ == "__main__":
    for path, text in pages().items():
        (DEPLOY / path).write_text(text)
        sys.stdout.write(f"wrote deploy/{path}\n")
