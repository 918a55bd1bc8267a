import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from tollhouse import metrics
from tollhouse.domain.ledger import Attempt, Entry
from tollhouse.domain.usage import Usage
from tollhouse.metrics import dead

BOUNDED = {"format", "provider", "model", "status", "kind", "code", "outcome", "client", "process", "known", "scope"}
BOUNDED |= {"priority", "percent", "channel", "queue"}
BOUNDED |= {"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type", "error_type"}
"""What a metric may be split by: things of the catalogue, and words of the program. No key, no user, no request."""

DECLARED = {name: one for name, one in vars(metrics).items() if isinstance(one, MetricWrapperBase)}


def entry(model: str, cost: int | None = 1000) -> Entry:
    usage = Usage(input=10, cache_read=5, output=20)
    attempt = Attempt("req_1", 1, "key_secret", model, "local", "up", "chat", True, datetime.now(UTC))
    return Entry(attempt, 200, "ok", 1, usage, None, cost, 2_000_000, 30_000)


def gen_ai(model: str, operation: str = "chat") -> dict[str, str]:
    """The labels of the conventions."""
    return {
        "gen_ai_operation_name": operation,
        "gen_ai_provider_name": "local",
        "gen_ai_request_model": model,
    }


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def test_there_are_metrics_to_look_at() -> None:
    assert len(DECLARED) > 10


@pytest.mark.parametrize("name", DECLARED)
def test_every_metric_has_our_prefix_or_the_conventions_a_help_text_and_bounded_labels(name: str) -> None:
    (described,) = DECLARED[name].describe()
    prefix = "" if name.startswith("GEN_AI_") else "tollhouse_"
    assert described.name == f"{prefix}{name.lower()}"
    assert described.documentation.endswith(".")
    assert set(DECLARED[name]._labelnames) <= BOUNDED


def test_a_settled_call_is_counted_with_its_tokens_its_cost_and_its_times() -> None:
    metrics.observe_call(entry("counted"))
    metrics.observe_call(entry("counted"))
    of_call = {"format": "chat", "provider": "local", "model": "counted"}
    assert value("tollhouse_calls_total", **of_call, status="200") == 2
    told = gen_ai("counted")
    assert value("gen_ai_server_request_duration_seconds_sum", **told, error_type="") == 4
    assert value("gen_ai_server_time_to_first_token_seconds_sum", **told) == 0.06
    assert value("gen_ai_server_time_per_output_token_seconds_count", **told) == 2
    per_token = (2 - 0.03) / 19
    assert value("gen_ai_server_time_per_output_token_seconds_sum", **told) == pytest.approx(2 * per_token)
    sizes = [value("gen_ai_client_token_usage_sum", **told, gen_ai_token_type=type) for type in ("input", "output")]
    assert sizes == [30, 40]
    assert [value("tollhouse_tokens_total", model="counted", kind=kind) for kind in ("input", "cache_read")] == [20, 10]
    assert value("tollhouse_cost_nanodollars_total", model="counted") == 2000
    assert value("tollhouse_unpriced_calls_total", model="counted") is None


def test_a_call_that_failed_is_timed_under_its_error_and_says_nothing_of_tokens_a_second() -> None:
    failed = replace(entry("failing"), status=502, outcome="upstream_gone")
    metrics.observe_call(failed)
    told = gen_ai("failing")
    assert value("gen_ai_server_request_duration_seconds_count", **told, error_type="upstream_gone") == 1
    assert value("gen_ai_server_request_duration_seconds_count", **told, error_type="") is None
    assert not value("gen_ai_server_time_to_first_token_seconds_count", **told)
    assert not value("gen_ai_server_time_per_output_token_seconds_count", **told)


def test_what_the_gateway_adds_is_counted_where_it_is_known() -> None:
    metrics.observe_call(entry("overhead"))
    before = value("tollhouse_overhead_seconds_count", format="chat") or 0
    metrics.observe_call(entry("overhead"), 0.0021)
    assert value("tollhouse_overhead_seconds_count", format="chat") == before + 1


def test_what_the_cache_saved_is_counted_in_money() -> None:
    metrics.observe_call(replace(entry("saving", cost=0), saved=700))
    assert value("tollhouse_cache_saved_nanodollars_total", model="saving") == 700


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
metrics.PROVIDERS_UP.labels("openai").set(int(sys.argv[1]))
print(os.getpid(), flush=True)
sys.stdin.read()
"""


@contextmanager
def counting_process(folder: Path, redis_up: int) -> Iterator[str]:
    """A process that has counted, and its id; it lives until the end of this."""
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", COUNTING, str(redis_up)]
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def rendered(folder: Path, before: str = "pass") -> list[str]:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    program = f"from tollhouse import metrics; {before}; print(metrics.render().decode())"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.splitlines()


def test_processes_add_up_and_work_horses_share_one_file(tmp_path: Path) -> None:
    with counting_process(tmp_path, 1) as first, counting_process(tmp_path, 0) as second:
        lines = rendered(tmp_path)
        assert {path.name for path in tmp_path.glob("counter_*horse.db")} == {
            f"counter_{first}horse.db",
            f"counter_{second}horse.db",
        }
    assert 'tollhouse_jobs_total{kind="roll_up_usage",outcome="ok"} 6.0' in lines
    assert 'tollhouse_redis_up{client="queue"} 0.0' in lines
    assert "tollhouse_ledger_queue_depth 24.0" in lines


def test_a_process_that_is_forgotten_leaves_its_counts_and_takes_its_gauges(tmp_path: Path) -> None:
    with counting_process(tmp_path, 0) as process:
        forget = f"[metrics.forget_process(name) for name in ('{process}', '{process}horse')]"
        lines = rendered(tmp_path, forget)
    assert 'tollhouse_jobs_total{kind="roll_up_usage",outcome="ok"} 3.0' in lines
    assert not [line for line in lines if line.startswith("tollhouse_redis_up{")]
    assert "tollhouse_ledger_queue_depth 0.0" in lines


def test_what_the_dead_counted_is_kept_in_one_file_and_their_gauges_are_gone(tmp_path: Path) -> None:
    for redis_up in (1, 0):
        with counting_process(tmp_path, redis_up):
            pass
    with counting_process(tmp_path, 1):
        lines = rendered(tmp_path)
    lines_after = rendered(tmp_path)
    assert 'tollhouse_jobs_total{kind="roll_up_usage",outcome="ok"} 9.0' in lines
    assert 'tollhouse_redis_up{client="queue"} 1.0' in lines, "the second one said 0, and is dead"
    assert 'tollhouse_jobs_total{kind="roll_up_usage",outcome="ok"} 9.0' in lines_after
    assert 'tollhouse_providers_up{provider="openai"} 1.0' in lines_after, (
        "who said it last is right, though it is dead"
    )
    assert not [line for line in lines_after if line.startswith("tollhouse_redis_up{")]
    counted = {path.name for path in tmp_path.glob("counter_*.db")}
    assert "counter_dead.db" in counted
    assert len(counted) == 2, "files of the dead would be read by every scrape; the other is that of who rendered"


def test_who_is_killed_while_burying_counts_nobody_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with counting_process(tmp_path, 1):
        pass

    class Killed(BaseException):
        pass

    close = dead.MmapedDict.close

    def killed(written: dead.MmapedDict) -> None:
        close(written)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(dead.MmapedDict, "close", killed)
        with pytest.raises(Killed):
            dead.bury(tmp_path)
    assert 'tollhouse_jobs_total{kind="roll_up_usage",outcome="ok"} 3.0' in rendered(tmp_path)


def test_who_died_before_its_first_count_spoils_no_scrape(tmp_path: Path) -> None:
    with counting_process(tmp_path, 1) as gone:
        pass
    (tmp_path / f"histogram_{gone}.db").write_bytes(b"")
    assert 'tollhouse_jobs_total{kind="roll_up_usage",outcome="ok"} 3.0' in rendered(tmp_path)


def test_a_process_that_keeps_the_lock_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead, "PATIENCE_SECONDS", 0.05)
    kept = dead.locked(tmp_path)
    with kept, dead.locked(tmp_path), pytest.raises(TimeoutError), dead.locked(tmp_path, exclusive=True):
        pass
    with dead.locked(tmp_path, exclusive=True):
        pass
