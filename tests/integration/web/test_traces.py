"""What is traced of a call, as a collector gets it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector import Collector, attributes, collecting
from tests.gateway import Gateway, settings_for
from tollhouse import traces

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def traced(tmp_path: Path, collector: Collector) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path, otlp_endpoint=collector.url, trace_providers=("told",), retries=1))
    yield gateway
    gateway.close()
    traces.configure(settings_for(tmp_path), "web")


def test_a_call_has_one_span_for_itself_one_a_stage_and_one_an_attempt(traced: Gateway, collector: Collector) -> None:
    answer = traced.chat()
    traces.flush(30)
    (root,) = [span for span in collector.spans if not span.parent_span_id]
    assert root.name == "POST /v1/chat/completions"
    below = [span for span in collector.of(root.trace_id.hex()) if span.parent_span_id == root.span_id]
    names = [span.name for span in sorted(below, key=lambda one: one.start_time_unix_nano)]
    assert names[:6] == ["authenticate", "read", "route", "translate", "limit", "admit"]
    assert names[6:] == ["chat echo", "relay", "settle"]
    assert len({span.span_id for span in collector.spans}) == len(collector.spans)
    said = attributes(root)
    assert said["http.response.status_code"] == 200
    assert said["tollhouse.request_id"] == answer.headers["x-request-id"]
    assert (said["tollhouse.team"], said["tollhouse.key"]) == ("team_default", traced.key_id())
    (attempt,) = collector.named("chat echo")
    told = attributes(attempt)
    used = answer.get_json()["usage"]
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "echo"
    assert told["gen_ai.usage.input_tokens"] == used["prompt_tokens"]
    assert told["gen_ai.usage.output_tokens"] == used["completion_tokens"]
    assert attempt.kind == attempt.SPAN_KIND_CLIENT
    assert root.kind == root.SPAN_KIND_SERVER


def test_a_callers_trace_goes_on(traced: Gateway, collector: Collector) -> None:
    traced.post("/v1/chat/completions", chat(), headers=PARENT | {"tracestate": "a=b"})
    traces.flush(30)
    (root,) = [span for span in collector.of(TRACE) if span.parent_span_id.hex() == SPAN]
    assert root.trace_state == "a=b"
    assert len(collector.of(TRACE)) == len(collector.spans)


def test_a_caller_that_samples_nothing_is_not_traced(traced: Gateway, collector: Collector) -> None:
    traced.post("/v1/chat/completions", chat(), headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    traced.chat()
    traces.flush(30)
    assert collector.spans
    assert not collector.of(TRACE)


def test_a_refused_call_says_with_which_error(traced: Gateway, collector: Collector) -> None:
    traced.post("/v1/chat/completions", chat(), key="sk-th-nobody", headers=PARENT)
    traced.post("/v1/chat/completions", chat(model="unheard-of"), headers=PARENT)
    traces.flush(30)
    roots = [span for span in collector.of(TRACE) if span.parent_span_id.hex() == SPAN]
    assert [attributes(root)["error.type"] for root in roots] == ["invalid_api_key", "model_not_found"]
    assert [root.status.code for root in roots] == [2, 2]
    assert b"unheard-of" not in b"".join(collector.bodies), "it is the caller's word"


def test_an_attempt_that_fails_is_a_span_with_its_error(traced: Gateway, collector: Collector) -> None:
    traced.add_echo("failing", "status=500")
    traced.post("/v1/chat/completions", chat(model="failing"), headers=PARENT)
    traces.flush(30)
    attempts = [span for span in collector.of(TRACE) if span.name == "chat echo"]
    assert [attributes(span).get("error.type") for span in attempts] == ["upstream_rejected"] * 2
    assert [attributes(span)["tollhouse.attempt"] for span in attempts] == [1, 2]


def test_no_word_of_caller_or_model_is_in_a_span(traced: Gateway, collector: Collector) -> None:
    traced.chat("the secret plan", stream=True)
    traces.flush(30)
    assert collector.bodies
    assert b"secret plan" not in b"".join(collector.bodies)


def test_a_reply_from_the_cache_is_traced_without_an_attempt(traced: Gateway, collector: Collector) -> None:
    for _ in range(2):
        answer = traced.post("/v1/chat/completions", chat(), headers={"cache-control": "max-age=60"})
    assert answer.headers["x-tollhouse-cache"] == "hit"
    traces.flush(30)
    assert len(collector.named("POST /v1/chat/completions")) == 2
    assert len(collector.named("chat echo")) == 1


def test_without_an_endpoint_nothing_is_traced(tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path))
    try:
        assert traces.begin("x", "server", PARENT["traceparent"]) is None
        assert gateway.chat().status_code == 200
    finally:
        gateway.close()


def chat(model: str = "echo") -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}]}
