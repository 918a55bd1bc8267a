"""What a real Prometheus knows of a gateway is what its ledger has, whatever dies and starts again meanwhile."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_observed import ENDED, call, call_until_it_goes, kill
from tests.prometheus import PROGRAM, Prometheus
from tests.running import RunningGateway, free_port, wait_until

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Prometheus here (Debian's package `prometheus` has one)"
)

PORT = free_port()
"""Of every start: to Prometheus a gateway is its address."""


def start(folder: Path) -> RunningGateway:
    return RunningGateway(
        folder / "home",
        port=PORT,
        TOLLHOUSE_WEB_PROCESSES="2",
        TOLLHOUSE_RESPOND_SECONDS="1",
        TOLLHOUSE_SURVEY_SECONDS="0.5",
        TOLLHOUSE_LOCAL_MODEL="off",
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-prometheus-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def prometheus(folder: Path) -> Iterator[Prometheus]:
    prometheus = Prometheus(folder / "prometheus", PORT)
    yield prometheus
    prometheus.stop()


def respond(gateway: RunningGateway) -> None:
    """In the background, and so in a worker."""
    client = gateway.openai(timeout=60)
    response = client.responses.create(model="m", input="hi", background=True)
    wait_until(lambda: client.responses.retrieve(response.id).status in ENDED, 60)


def test_its_counters_agree_with_the_ledger_through_kills_and_restarts(folder: Path, prometheus: Prometheus) -> None:
    def counted(calls: int) -> bool:
        return prometheus.grown('tollhouse_calls_total{model="m"}') >= calls

    gateway = start(folder)
    try:
        gateway.command("providers", "add", "host", "--format", "echo", "--base-url", "echo:?words=5")
        prices = ("--input-price", "1", "--output-price", "2")
        gateway.command("models", "add", "m", "--provider", "host", "--upstream-model", "echo", *prices)
        wait_until(lambda: prometheus.value('up{job="tollhouse"}') == 1, 60)
        for _ in range(10):
            call_until_it_goes(gateway)
        respond(gateway)
        wait_until(lambda: counted(11), 60)
        with prometheus.standing_still():
            # Nobody has seen what these two have counted when they die.
            for _ in range(5):
                call(gateway, "m")
            respond(gateway)
            gateway.usage("m", 17)
            kill(gateway, "tollhouse web")
            kill(gateway, "tollhouse worker --responses")
            for _ in range(5):
                call_until_it_goes(gateway)
        respond(gateway)
        gateway.usage("m", 23)
        wait_until(lambda: counted(23), 60)
        assert prometheus.value('sum(resets(tollhouse_calls_total{model="m"}[1h]))') == 0
        check_rules(prometheus)
    finally:
        gateway.stop()
    wait_until(lambda: prometheus.value('up{job="tollhouse"}') == 0, 60)

    gateway = start(folder)
    gateway.key = gateway.json("keys", "create", "--name", "again")["key"]
    try:
        for _ in range(5):
            call_until_it_goes(gateway)
        respond(gateway)
        row = gateway.usage("m", 29)
        wait_until(lambda: counted(29), 60)
    finally:
        gateway.stop()
    assert prometheus.value('sum(resets(tollhouse_calls_total{model="m"}[1h]))') > 0
    assert row["requests"] == prometheus.grown('tollhouse_calls_total{model="m"}') == 29
    tokens = 'tollhouse_tokens_total{model="m",kind="%s"}'
    assert row["input_tokens"] == prometheus.grown(tokens % "input")
    assert row["output_tokens"] == prometheus.grown(tokens % "output")
    used = prometheus.grown('gen_ai_client_token_usage_sum{gen_ai_request_model="m"}')
    assert row["input_tokens"] + row["output_tokens"] == used
    cost = prometheus.grown('tollhouse_cost_nanodollars_total{model="m"}')
    assert float(row["cost_usd"]) * 1e9 == pytest.approx(cost)
    assert prometheus.grown('gen_ai_server_request_duration_seconds_count{gen_ai_request_model="m"}') == 29


def check_rules(prometheus: Prometheus) -> None:
    """Each was evaluated, on what a gateway says, and none failed."""

    def rules() -> list[dict[str, str]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: rules() and all(rule["health"] != "unknown" for rule in rules()), 60)
    assert {rule["name"]: rule.get("lastError", "") for rule in rules() if rule["health"] != "ok"} == {}
    assert len(rules()) >= 13
