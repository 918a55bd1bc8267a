"""Every field that the program logs is declared, and what deploy/elk has fits it."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tests.unit.logs.conftest import Log, configured, log, logging_restored
from tollhouse import logs
from tollhouse.logs.fields import FIELDS

ROOT = Path(__file__).parents[2]
ELK = ROOT / "deploy" / "elk"
BASE = {"@timestamp", "@version", "message", "level", "logger_name", "host", "process", "pid"}
ADDED = {"stack_trace", "saved_nanos", "provider_key"}
"""What is in a line now and then, by other means than a name in a call of `event`."""

__all__ = ["configured", "log", "logging_restored"]


def logged() -> Iterator[tuple[str, str]]:
    """Field and file, of each call of `logs.event`."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and (
                called == "logs.event" or (called == "event" and path.parent.name == "logs")
            ):
                for keyword in node.keywords:
                    if keyword.arg not in (None, "level"):
                        yield str(keyword.arg), str(path.relative_to(ROOT))


def test_every_field_that_is_logged_is_declared() -> None:
    missing = {field: where for field, where in logged() if field not in FIELDS}
    assert not missing, "declare them in logs/fields.py, then run scripts/write_reference.py and write_dashboards.py"


def test_no_field_is_declared_that_nobody_logs() -> None:
    assert set(FIELDS) - {field for field, _ in logged()} - BASE - ADDED == set()


def test_a_line_has_the_fields_that_every_line_has(log: Log) -> None:
    logs.event("call", team="team_1")
    assert set(log.last) == {*BASE, "team"}


def test_the_template_has_a_type_for_each_field() -> None:
    found = json.loads((ELK / "index-template.json").read_text())["template"]["mappings"]["properties"]
    assert {name: found[name]["type"] for name in FIELDS} == {name: kind for name, (kind, _) in FIELDS.items()}


def test_the_issues_fields_are_there() -> None:
    wanted = {"@timestamp", "@version", "request_id", "key", "team", "model", "provider", "input_tokens"}
    assert wanted | {"output_tokens", "cost_nanos", "latency_ms", "status"} <= set(FIELDS)


def known() -> set[str]:
    return set(json.loads((ELK / "index-template.json").read_text())["template"]["mappings"]["properties"])


def test_kibana_asks_for_fields_that_there_are() -> None:
    objects = [orjson.loads(line) for line in (ELK / "kibana.ndjson").read_bytes().splitlines()]
    by_id: dict[str, Any] = {one["id"]: one for one in objects}
    assert {one["type"] for one in objects} == {"index-pattern", "visualization", "dashboard"}
    for one in objects:
        assert all(reference["id"] in by_id for reference in one["references"])
        if one["type"] == "visualization":
            state = json.loads(one["attributes"]["visState"])
            asked = {agg["params"]["field"] for agg in state["aggs"] if "field" in agg["params"]}
            assert asked <= known()
            query = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"]
            assert set(re.findall(r"([a-z_@]+):", query)) <= known()
    (dashboard,) = [one for one in objects if one["type"] == "dashboard"]
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    assert {panel["panelRefName"] for panel in panels} == {one["name"] for one in dashboard["references"]}


def test_the_pipeline_reads_lines_as_they_are_written_and_names_fields_that_there_are() -> None:
    text = re.sub(r"(?m)^\s*#.*$", "", (ELK / "logstash.conf").read_text())
    assert re.findall(r"(?m)^(\w+) \{", text) == ["input", "filter", "output"]
    plain = re.sub(r'"[^"]*"', '""', text)
    assert all(plain.count(opening) == plain.count(closing) for opening, closing in ("{}", "[]"))
    assert re.findall(r"codec => (\w+)", text) == ["json", "json_lines"]
    named = set(re.findall(r"(?:if |!)\[(\w+)\]", text)) | set(re.findall(r"event\.[gs]et\('(\w+)'", text))
    assert named <= known()
    assert 'match => ["@timestamp", "ISO8601"]' in text
