import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from tollhouse import metrics
from tollhouse.domain.ledger import Attempt, Entry
from tollhouse.domain.usage import Usage

BOUNDED = {"format", "provider", "model", "status", "kind", "code", "outcome", "client", "process", "known", "scope"}
BOUNDED |= {"priority", "percent", "channel"}
"""What a metric may be split by: things of the catalogue, and words of the program. No key, no user, no request."""

DECLARED = {name: one for name, one in vars(metrics).items() if isinstance(one, MetricWrapperBase)}


def entry(model: str, cost: int | None = 1000) -> Entry:
    usage = Usage(input=10, cache_read=5, output=20)
    attempt = Attempt("req_1", 1, "key_secret", model, "local", "up", "chat", True, datetime.now(UTC))
    return Entry(attempt, 200, "ok", 1, usage, None, cost, 2_000_000, 30_000)


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def test_there_are_metrics_to_look_at() -> None:
    assert len(DECLARED) > 10


@pytest.mark.parametrize("name", DECLARED)
def test_every_metric_has_our_prefix_a_help_text_and_bounded_labels(name: str) -> None:
    (described,) = DECLARED[name].describe()
    assert described.name == f"tollhouse_{name.lower()}"
    assert described.documentation.endswith(".")
    assert set(DECLARED[name]._labelnames) <= BOUNDED


def test_a_settled_call_is_counted_with_its_tokens_its_cost_and_its_times() -> None:
    metrics.observe_call(entry("counted"))
    metrics.observe_call(entry("counted"))
    of_call = {"format": "chat", "provider": "local", "model": "counted"}
    assert value("tollhouse_calls_total", **of_call, status="200") == 2
    assert value("tollhouse_call_seconds_sum", **of_call) == 4
    assert value("tollhouse_first_token_seconds_sum", **of_call) == 0.06
    assert [value("tollhouse_tokens_total", model="counted", kind=kind) for kind in ("input", "cache_read")] == [20, 10]
    assert value("tollhouse_cost_nanodollars_total", model="counted") == 2000
    assert value("tollhouse_unpriced_calls_total", model="counted") is None


def test_a_call_without_a_price_is_counted_apart_and_costs_nothing() -> None:
    metrics.observe_call(entry("without-a-price", cost=None))
    assert value("tollhouse_unpriced_calls_total", model="without-a-price") == 1
    assert not value("tollhouse_cost_nanodollars_total", model="without-a-price")


def test_no_key_is_in_what_is_rendered() -> None:
    metrics.observe_call(entry("rendered"))
    text = metrics.render()
    assert b'model="rendered"' in text
    assert b"key_" not in text
    assert metrics.CONTENT_TYPE.startswith("text/plain")


COUNTING = """
import os, sys
from tollhouse import metrics
metrics.REDIS_UP.labels("queue").set(int(sys.argv[1]))
metrics.LEDGER_QUEUE_DEPTH.set(5)
for job in range(3):
    if os.fork() == 0:
        metrics.count_as(f"{os.getppid()}horse")
        metrics.JOBS.labels("roll_up_usage", "ok").inc()
        metrics.LEDGER_QUEUE_DEPTH.set(7)
        os._exit(0)
    os.wait()
print(os.getpid())
"""


def counting_process(folder: Path, redis_up: int) -> str:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", COUNTING, str(redis_up)]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.strip()


def rendered(folder: Path, before: str = "pass") -> list[str]:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    program = f"from tollhouse import metrics; {before}; print(metrics.render().decode())"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.splitlines()


def test_processes_add_up_and_work_horses_share_one_file(tmp_path: Path) -> None:
    first, second = counting_process(tmp_path, 1), counting_process(tmp_path, 0)
    lines = rendered(tmp_path)
    assert 'tollhouse_jobs_total{kind="roll_up_usage",outcome="ok"} 6.0' in lines
    assert 'tollhouse_redis_up{client="queue"} 0.0' in lines
    assert "tollhouse_ledger_queue_depth 24.0" in lines
    assert {path.name for path in tmp_path.glob("counter_*horse.db")} == {
        f"counter_{first}horse.db",
        f"counter_{second}horse.db",
    }


def test_a_process_that_is_forgotten_leaves_its_counts_and_takes_its_gauges(tmp_path: Path) -> None:
    process = counting_process(tmp_path, 0)
    forget = f"[metrics.forget_process(name) for name in ('{process}', '{process}horse')]"
    lines = rendered(tmp_path, forget)
    assert 'tollhouse_jobs_total{kind="roll_up_usage",outcome="ok"} 3.0' in lines
    assert not [line for line in lines if line.startswith("tollhouse_redis_up{")]
    assert "tollhouse_ledger_queue_depth 0.0" in lines
