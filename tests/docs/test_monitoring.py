"""What deploy/ has for Prometheus and Grafana: every metric and label in it is one that the gateway has."""

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from tollhouse import metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "tollhouse.rules.yml"
TESTS = RULES.with_name("tollhouse.tests.yml")
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
KNOWN = {
    f"{one._name}{suffix}": {*one._labelnames, *({"le"} if suffix == "_bucket" else ())}
    for one in vars(metrics).values()
    if isinstance(one, MetricWrapperBase)
    for suffix in SUFFIXES[one._type]
} | {"up": {"job", "instance"}}
WORDS = {"by", "without", "and", "or", "unless", "on", "ignoring", "bool", "offset"}
FUNCTIONS = {"sum", "max", "min", "rate", "increase", "histogram_quantile", "time"}


def check(expression: str) -> None:
    """As far as an expression can be checked without PromQL's own parser."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    for opening, closing in ("()", "[]", "{}"):
        assert plain.count(opening) == plain.count(closing), expression
    plain = re.sub(r"\[(?:\d+[smhd]|\$__rate_interval)\]|\boffset \d+[smhd]\b", "", plain)
    assert "[" not in plain, expression
    used: set[str] = set()
    for name, matchers in re.findall(r"([a-z_][a-z0-9_]*)\{([^}]*)\}", plain):
        for matcher in filter(None, (one.strip() for one in matchers.split(","))):
            found = re.fullmatch(r'([a-z_]+)(?:=|!=|=~|!~)""', matcher)
            assert found, expression
            assert found[1] in KNOWN[name], f"{name} has no {found[1]}"
    plain = re.sub(r"\{[^}]*\}", "", plain)
    grouping = r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)"
    grouped = [label.strip() for labels in re.findall(grouping, plain) for label in labels.split(",")]
    plain = re.sub(grouping, "", plain)
    plain = re.sub(r"\b[0-9]+(\.[0-9]+)?(e[0-9]+)?\b", "", plain)
    for name, bracket in re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\s*\()?", plain):
        if bracket and name not in WORDS:
            assert name in FUNCTIONS, f"{name} is no function that is known here"
        elif name not in WORDS:
            assert name in KNOWN, f"{name} is no metric of the gateway"
            used.add(name)
    assert used, expression
    for label in grouped:
        assert any(label in KNOWN[name] for name in used), f"none of {used} has {label}"


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_rule_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    check(rule["expr"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"].endswith(".")
    named = set(re.findall(r"\$labels\.([a-z_]+)", json.dumps(rule["annotations"])))
    used = [labels for name, labels in KNOWN.items() if re.search(rf"\b{name}\b", rule["expr"])]
    assert all(any(label in labels for labels in used) for label in named)


def test_each_alert_is_tried_where_it_fires_and_where_it_does_not() -> None:
    tried = [one for group in yaml.safe_load(TESTS.read_text())["tests"] for one in group["alert_rule_test"]]
    for rule in rules():
        expected = [bool(one["exp_alerts"]) for one in tried if one["alertname"] == rule["alert"]]
        assert {*expected} == {True, False}, rule["alert"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_each_panel_asks_for_what_there_is(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    assert dashboard["panels"]
    for panel in dashboard["panels"]:
        assert panel["targets"]
        for target in panel["targets"]:
            check(target["expr"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places), "two panels are in one place"


def test_there_are_dashboards() -> None:
    assert len(DASHBOARDS) >= 3
    uids = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
    assert len(set(uids)) == len(uids)


def test_dashboards_ask_the_data_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/tollhouse.yml").read_text())["datasources"]
    for path in DASHBOARDS:
        assert {panel["datasource"]["uid"] for panel in json.loads(path.read_text())["panels"]} == {source["uid"]}


def test_what_is_written_is_up_to_date() -> None:
    script = Path(__file__).parents[2] / "scripts" / "write_dashboards.py"
    spec = importlib.util.spec_from_file_location("write_dashboards", script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.pages().items():
        assert (DEPLOY / name).read_text() == text, "run scripts/write_dashboards.py"


@pytest.mark.parametrize(
    "wrong",
    [
        "sum(rate(tollhouse_calls[5m]))",
        'tollhouse_calls_total{key="x"}',
        "sum by (key) (tollhouse_calls_total)",
        "sum((tollhouse_calls_total)",
        "avg_of(tollhouse_calls_total)",
        "rate(tollhouse_calls_total[5 minutes])",
        "1 > 2",
    ],
)
def test_the_check_finds_what_is_wrong(wrong: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        check(wrong)


PROMTOOL = shutil.which("promtool")
asks_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="there is no promtool here (Debian's package `prometheus` has it)"
)


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [PROMTOOL or "", *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@asks_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "tollhouse.rules.yml"),
        ("test", "rules", "tollhouse.tests.yml"),
        ("check", "config", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    promtool(*arguments)


@asks_promtool
def test_promtool_can_read_what_panels_ask(tmp_path: Path) -> None:
    asked = [
        target["expr"].replace("$__rate_interval", "5m")
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "rules.yml")


@asks_promtool
def test_promtool_finds_no_fault_with_what_is_scraped() -> None:
    done = subprocess.run(
        [PROMTOOL or "", "check", "metrics"], input=metrics.render(), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
