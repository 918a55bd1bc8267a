"""What operators see of a gateway of several processes: its counters, through restarts, and its traces."""

import json
import os
import signal
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.collector import Collector, attributes, collecting
from tests.running import RunningGateway, wait_until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
ENDED = ("completed", "failed", "cancelled", "incomplete")


class Scraper:
    """Reads /metrics as Prometheus does, and adds up what counters grew by: one that is less than before began anew."""

    def __init__(self) -> None:
        self.grown: dict[tuple[str, frozenset[tuple[str, str]]], float] = defaultdict(float)
        self._last: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self.gauges: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    def scrape(self, gateway: RunningGateway) -> None:
        with urlopen(f"{gateway.url}/metrics", timeout=30) as response:  # noqa: S310 - the gateway's own
            text = response.read().decode()
        seen: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self.gauges.clear()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                (self.gauges if family.type == "gauge" else seen)[key] = sample.value
        for key, value in seen.items():
            before = self._last.get(key, 0.0)
            self.grown[key] += value if value < before else value - before
        self._last = seen

    def total(self, name: str, **labels: str) -> float:
        return sum(value for (one, of), value in self.grown.items() if one == name and labels.items() <= set(of))


class Host:
    """A provider that remembers the headers it was sent. At `url`; close it."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                host.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.rfile.read(int(self.headers["content-length"]))
                body = json.dumps(
                    {
                        "id": "chatcmpl-1",
                        "object": "chat.completion",
                        "created": 1,
                        "model": "m",
                        "choices": [
                            {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
                        ],
                        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
                    }
                ).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-seen-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def start(folder: Path, collector: Collector) -> RunningGateway:
    return RunningGateway(
        folder / "home",
        TOLLHOUSE_WEB_PROCESSES="2",
        TOLLHOUSE_RESPOND_SECONDS="1",
        TOLLHOUSE_SURVEY_SECONDS="0.5",
        TOLLHOUSE_LOCAL_MODEL="off",
        TOLLHOUSE_LOG_FORMAT="json",
        TOLLHOUSE_LOG_FILE=str(folder / "gate.log"),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        TOLLHOUSE_TRACE_PROVIDERS="told",
    )


@pytest.fixture(scope="module")
def gateway(folder: Path, collector: Collector, host: Host) -> Iterator[RunningGateway]:
    gateway = start(folder, collector)
    for name in ("told", "untold"):
        gateway.command(
            "providers", "add", name, "--format", "openai", "--base-url", host.url, "--allow-private",
        )  # fmt: skip
        gateway.command(
            "models",
            "add",
            name,
            "--provider",
            name,
            "--upstream-model",
            "m",
            "--input-price",
            "1",
            "--output-price",
            "2",
        )
    time.sleep(1.2)
    yield gateway
    gateway.stop()


def call(gateway: RunningGateway, model: str = "told", **headers: str) -> None:
    client = gateway.openai(timeout=60)
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], extra_headers=headers)


def test_a_trace_goes_on_through_the_gateway_to_the_providers_that_are_named(
    gateway: RunningGateway, collector: Collector, host: Host
) -> None:
    host.headers.clear()
    call(gateway, **PARENT, tracestate="a=b")
    call(gateway, "untold", **PARENT)
    told, untold = host.headers
    wait_until(lambda: len(collector.named("chat m")) == 2, 30)
    attempt = collector.named("chat m")[0]
    assert told["traceparent"] == f"00-{TRACE}-{attempt.span_id.hex()}-01"
    assert told["tracestate"] == "a=b"
    assert attributes(attempt)["server.address"] == "127.0.0.1"
    assert not {"traceparent", "tracestate"} & set(untold)
    assert {one["tollhouse.process"] for one in collector.resources} == {"web"}


def test_the_worker_goes_on_with_its_callers_trace(gateway: RunningGateway, collector: Collector) -> None:
    client = gateway.openai(timeout=60)
    trace = "a" * 32
    response = client.responses.create(
        model="echo", input="hi", background=True, extra_headers={"traceparent": f"00-{trace}-{SPAN}-01"}
    )
    wait_until(lambda: client.responses.retrieve(response.id).status in ENDED, 60)
    wait_until(lambda: bool([one for one in collector.of(trace) if one.name == "background response"]), 30)
    (queued,) = [one for one in collector.of(trace) if one.name == "POST /v1/responses"]
    (made,) = [one for one in collector.of(trace) if one.name == "background response"]
    assert queued.parent_span_id.hex() == SPAN
    assert made.parent_span_id == queued.span_id
    assert made.kind == made.SPAN_KIND_CONSUMER
    assert "worker" in {one["tollhouse.process"] for one in collector.resources}


def test_the_lines_of_a_batch_are_in_their_callers_trace(gateway: RunningGateway, collector: Collector) -> None:
    client = gateway.openai(timeout=60)
    trace = "b" * 32
    lines = [
        {
            "custom_id": str(number),
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "echo", "messages": [{"role": "user", "content": "hi"}]},
        }
        for number in range(2)
    ]
    text = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("lines.jsonl", text), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        extra_headers={"traceparent": f"00-{trace}-{SPAN}-01"},
    )
    wait_until(lambda: client.batches.retrieve(batch.id).status == "completed", 60)
    wait_until(lambda: len([one for one in collector.of(trace) if one.name == "batch line"]) == 2, 30)
    assert {one.parent_span_id.hex() for one in collector.of(trace) if one.name == "batch line"} == {SPAN}


def test_a_collector_that_hangs_holds_up_no_call(gateway: RunningGateway, collector: Collector) -> None:
    collector.goes_on.clear()
    try:
        for _ in range(20):
            call(gateway)
        time.sleep(1)  # the exporter waits for the collector by now
        for _ in range(20):
            call(gateway)
    finally:
        collector.goes_on.set()


def test_every_process_writes_the_log_file(gateway: RunningGateway, folder: Path) -> None:
    call(gateway)

    def processes() -> set[str]:
        return {json.loads(line)["process"] for line in (folder / "gate.log").read_text().splitlines()}

    wait_until(lambda: processes() >= {"web", "worker", "scheduler"}, 30)
    (last, *_) = [
        line
        for line in map(json.loads, (folder / "gate.log").read_text().splitlines())
        if line["message"] == "call" and line["model"] == "told"
    ]
    assert last.keys() >= {
        "@timestamp", "@version", "request_id", "key", "team", "model", "provider", "input_tokens", "output_tokens",
        "cost_nanos", "latency_ms", "status",
    }  # fmt: skip


def test_what_a_scraper_adds_up_is_what_the_ledger_has_through_kills_and_restarts(
    folder: Path, collector: Collector
) -> None:
    scraper = Scraper()
    gateway = start(folder / "scraped", collector)
    try:
        gateway.command("providers", "add", "host", "--format", "echo", "--base-url", "echo:?words=5")
        prices = ("--input-price", "1", "--output-price", "2")
        gateway.command("models", "add", "m", "--provider", "host", "--upstream-model", "echo", *prices)
        time.sleep(1.2)
        scraper.scrape(gateway)
        for _ in range(10):
            call(gateway, "m")
        client = gateway.openai(timeout=60)
        response = client.responses.create(model="m", input="hi", background=True)
        wait_until(lambda: client.responses.retrieve(response.id).status in ENDED, 60)
        scraper.scrape(gateway)
        for _ in range(5):
            call(gateway, "m")
        gateway.usage("m", 16)
        kill(gateway, "tollhouse web")
        kill(gateway, "tollhouse worker --responses")
        for _ in range(5):
            call_until_it_goes(gateway)
        gateway.usage("m", 21)
        wait_until(lambda: all_settled(gateway), 30)
        scraper.scrape(gateway)
        assert scraper.gauges[("tollhouse_redis_up", frozenset({("client", "queue")}))] == 1
    finally:
        gateway.stop()
    gateway = start(folder / "scraped", collector)
    gateway.key = gateway.json("keys", "create", "--name", "again")["key"]
    try:
        for _ in range(5):
            call_until_it_goes(gateway)
        row = gateway.usage("m", 26)
        wait_until(lambda: all_settled(gateway), 30)
        scraper.scrape(gateway)
    finally:
        gateway.stop()
    assert row["requests"] == scraper.total("tollhouse_calls_total", model="m") == 26
    assert row["input_tokens"] == scraper.total("tollhouse_tokens_total", model="m", kind="input")
    assert row["output_tokens"] == scraper.total("tollhouse_tokens_total", model="m", kind="output")
    of_m = {"gen_ai_request_model": "m"}
    assert scraper.total("gen_ai_server_request_duration_seconds_count", **of_m) == 26
    used = scraper.total("gen_ai_client_token_usage_sum", **of_m)
    assert row["input_tokens"] + row["output_tokens"] == used
    assert float(row["cost_usd"]) * 1e9 == pytest.approx(scraper.total("tollhouse_cost_nanodollars_total", model="m"))
    assert scraper.total("tollhouse_overhead_seconds_count", format="chat") == 25


def kill(gateway: RunningGateway, command: str) -> None:
    """A process of this command that does the work, not the one that watches it; none need be there."""
    found = [
        pid for pid, said in gateway.children().items() if command in said or ("gunicorn" in said and "web" in command)
    ]
    assert found, gateway.children()
    for pid in sorted(found)[-1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def call_until_it_goes(gateway: RunningGateway, model: str = "m") -> None:
    import openai

    deadline = time.monotonic() + 30
    while True:
        try:
            call(gateway, model)
        except openai.APIConnectionError:
            # It was with the process that was killed before it was sent.
            assert time.monotonic() < deadline
            time.sleep(0.1)
        except (openai.AuthenticationError, openai.NotFoundError):
            # The key or the model is not known yet.
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def all_settled(gateway: RunningGateway) -> bool:
    scraper = Scraper()
    scraper.scrape(gateway)
    return scraper.gauges.get(("tollhouse_held_nanodollars", frozenset()), 1) == 0
