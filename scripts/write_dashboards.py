"""Writes the dashboards of deploy/: Grafana's, Kibana's, and the index template beside it. A test checks that they are
up to date, and that every metric and field in them is one that the program has.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tollhouse.logs.fields import FIELDS

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


MADE = {"cost_usd": "double"}
"""Fields that the Logstash pipeline makes."""
PATTERN = "tollhouse-logs"


def template() -> dict[str, Any]:
    """For Elasticsearch: without it a field's type is guessed from the first line that has it."""
    types = {name: kind for name, (kind, _) in FIELDS.items()} | MADE
    return {
        "index_patterns": ["tollhouse-*"],
        "priority": 200,
        "template": {
            "settings": {"number_of_shards": 1, "index.mapping.ignore_malformed": True},
            "mappings": {
                "dynamic_templates": [
                    {"texts": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 2048}}}
                ],
                "properties": {
                    name: {"type": kind, "ignore_above": 2048} if kind == "keyword" else {"type": kind}
                    for name, kind in types.items()
                },
            },
        },
    }


def _terms(field: str, size: int = 10) -> dict[str, Any]:
    return {
        "id": "3",
        "enabled": True,
        "type": "terms",
        "schema": "group",
        "params": {"field": field, "size": size, "order": "desc", "orderBy": "1"},
    }


_OVER_TIME = {
    "id": "2",
    "enabled": True,
    "type": "date_histogram",
    "schema": "segment",
    "params": {"field": "@timestamp", "interval": "auto", "min_doc_count": 1},
}


def _metric(kind: str, field: str = "", **more: Any) -> dict[str, Any]:
    params = {"field": field, **more} if field else {}
    return {"id": "1", "enabled": True, "type": kind, "schema": "metric", "params": params}


CALL, WARNED = "message: call", "level: (WARNING or ERROR)"
KIBANA = [
    ("calls", "Calls by status", "histogram", CALL, [_metric("count"), _OVER_TIME, _terms("status")]),
    (
        "cost",
        "Cost by model, in US dollars",
        "histogram",
        CALL,
        [_metric("sum", "cost_usd"), _OVER_TIME, _terms("model")],
    ),
    (
        "teams",
        "Output tokens by team",
        "histogram",
        CALL,
        [_metric("sum", "output_tokens"), _OVER_TIME, _terms("team")],
    ),
    (
        "latency",
        "Latency in milliseconds",
        "line",
        CALL,
        [_metric("percentiles", "latency_ms", percents=[50, 95, 99]), _OVER_TIME],
    ),
    (
        "failures",
        "Calls that failed, by outcome",
        "histogram",
        f"{CALL} and not outcome: ok",
        [_metric("count"), _OVER_TIME, _terms("outcome")],
    ),
    (
        "warnings",
        "Warnings and errors by event",
        "histogram",
        WARNED,
        [_metric("count"), _OVER_TIME, _terms("message")],
    ),
]


def kibana() -> str:
    """Saved objects, one a line: a data view, its visualizations, a dashboard of them."""
    view = {"title": "tollhouse-*", "timeFieldName": "@timestamp", "name": "Tollhouse"}
    objects: list[dict[str, Any]] = [{"id": PATTERN, "type": "index-pattern", "attributes": view, "references": []}]
    panels, references = [], []
    for number, (name, title, kind, query, aggregations) in enumerate(KIBANA):
        source = {
            "query": {"language": "kuery", "query": query},
            "filter": [],
            "indexRefName": "kibanaSavedObjectMeta.searchSourceJSON.index",
        }
        state = {"title": title, "type": kind, "aggs": aggregations, "params": {"type": kind, "addLegend": True}}
        objects.append(
            {
                "id": f"tollhouse-{name}",
                "type": "visualization",
                "attributes": {
                    "title": f"Tollhouse: {title}",
                    "visState": json.dumps(state),
                    "uiStateJSON": "{}",
                    "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
                },
                "references": [{"id": PATTERN, "type": "index-pattern", "name": source["indexRefName"]}],
            }
        )
        place = {"x": number % 2 * 24, "y": number // 2 * 15, "w": 24, "h": 15, "i": str(number)}
        panels.append(
            {"panelIndex": str(number), "gridData": place, "panelRefName": f"panel_{number}", "embeddableConfig": {}}
        )
        references.append({"id": f"tollhouse-{name}", "type": "visualization", "name": f"panel_{number}"})
    objects.append(
        {
            "id": "tollhouse",
            "type": "dashboard",
            "attributes": {
                "title": "Tollhouse",
                "panelsJSON": json.dumps(panels),
                "optionsJSON": json.dumps({"useMargins": True}),
                "timeRestore": False,
                "kibanaSavedObjectMeta": {
                    "searchSourceJSON": json.dumps({"query": {"language": "kuery", "query": ""}, "filter": []})
                },
            },
            "references": references,
        }
    )
    return "".join(json.dumps(one) + "\n" for one in objects)


def pages() -> dict[str, str]:
    """What is written, by its path below deploy/."""
    return {
        f"grafana/dashboards/{name}.json": json.dumps(grafana(name, *given), indent=2) + "\n"
        for name, given in GRAFANA.items()
    } | {
        "elk/index-template.json": json.dumps(template(), indent=2) + "\n",
        "elk/kibana.ndjson": kibana(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        (DEPLOY / path).write_text(text)
        sys.stdout.write(f"wrote deploy/{path}\n")
