import threading

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.collector import attributes, collecting, read_export
from tests.running import wait_until
from tollhouse import metrics
from tollhouse.domain.trace import Trace
from tollhouse.traces.exporter import AT_ONCE, Exporter
from tollhouse.traces.otlp import Encoder, rejected, spans_of
from tollhouse.traces.post import Post


def dropped() -> float:
    return metrics.REGISTRY.get_sample_value("tollhouse_spans_dropped_total") or 0


def sent() -> float:
    return metrics.REGISTRY.get_sample_value("tollhouse_spans_sent_total") or 0


def end(exporter: Exporter, count: int = 1) -> None:
    for _ in range(count):
        trace = Trace("POST /v1/x", "server", exporter.submit)
        trace.stage("route")
        trace.end(None, {})


def test_what_ended_is_sent_and_a_connection_is_kept() -> None:
    with collecting() as collector:
        exporter = Exporter(Encoder("gate", "web"), Post(collector.url, ("x-token=a%20b",)))
        end(exporter, AT_ONCE + 1)
        exporter.flush(30)
        assert len(collector.spans) == 2 * (AT_ONCE + 1)
        assert {one["x-token"] for one in collector.headers} == {"a b"}
        assert collector.resources[0]["service.name"] == "gate"
        assert len(collector.bodies) == 2


def test_a_collector_that_closed_the_connection_is_connected_anew() -> None:
    with collecting() as collector:
        post = Post(collector.url)
        exporter = Exporter(Encoder("gate", "web"), post)
        end(exporter)
        exporter.flush(30)
        assert post._connection is not None
        assert post._connection.sock is not None
        post._connection.sock.shutdown(2)
        end(exporter)
        exporter.flush(30)
        assert len(collector.named("POST /v1/x")) == 2


def test_what_a_collector_does_not_take_is_counted_and_the_next_is_tried() -> None:
    with collecting() as collector:
        exporter = Exporter(Encoder("gate", "web"), Post(collector.url))
        before = dropped()
        collector.full = True
        end(exporter)
        exporter.flush(30)
        assert dropped() == before + 2
        collector.full = False
        end(exporter)
        exporter.flush(30)
        assert len(collector.named("POST /v1/x")) == 1


def test_what_a_collector_rejects_of_a_request_that_it_takes_is_counted() -> None:
    with collecting() as collector:
        exporter = Exporter(Encoder("gate", "web"), Post(collector.url))
        before = dropped(), sent()
        collector.rejected = 1
        end(exporter, 200)
        exporter.flush(30)
        rejections = len(collector.bodies)
        assert (dropped(), sent()) == (before[0] + rejections, before[1] + 400 - rejections)
        collector.rejected = 2**40  # whatever it says, no more than it was sent
        end(exporter)
        exporter.flush(30)
        assert (dropped(), sent()) == (before[0] + rejections + 2, before[1] + 400 - rejections)


@pytest.mark.parametrize("answer", [b"", b"{}", b"\x0a", b"\x0a\xff\xff", b"\x0a\x00", b"\x0a\x02\x12\x00"])
def test_an_answer_that_rejects_nothing_has_taken_all(answer: bytes) -> None:
    assert rejected(answer) == 0


def test_while_a_collector_hangs_traces_wait_within_a_bound_and_nobody_waits_for_them() -> None:
    taken, goes_on = threading.Event(), threading.Event()

    def send(body: bytes) -> bytes:
        taken.set()
        goes_on.wait(60)
        return b""

    exporter = Exporter(Encoder("gate", "web"), send, most=10)
    end(exporter)
    assert taken.wait(30)
    before = dropped()
    end(exporter, 15)  # returns, though nothing is taken
    assert dropped() == before + 2 * 5
    goes_on.set()
    wait_until(lambda: not exporter._waiting, 30)


def test_what_looks_like_a_secret_is_masked() -> None:
    trace = Trace("POST /v1/x", "server", lambda trace: None)
    trace.end("sk-th-abcdefghijklmnopqrstuvwxyz", {"tollhouse.key": "sk-th-abcdefghijklmnopqrstuvwxyz"})
    body = Encoder("gate", "web").request([spans_of(trace)])
    assert b"abcdefghijklmnop" not in body
    read_export(body)


@pytest.mark.parametrize("value", ["text", "", "Grüße", 0, 127, 128, 2**62, -1, -(2**63), True, False, 0.5])
def test_each_kind_of_value_is_one_that_collectors_know(value: object) -> None:
    trace = Trace("x", "client", lambda trace: None)
    trace.end(None, {"given": value, "none": None})
    (span,) = spans_in(trace)
    (found,) = span.attributes
    read = getattr(found.value, found.value.WhichOneof("value"))
    assert (found.key, read, type(read)) == ("given", value, type(value))


def test_a_span_is_to_a_collector_what_it_was_here() -> None:
    caller, state = "b" * 16, "vendor=" + "x" * 200
    trace = Trace("POST /v1/x", "server", lambda trace: None, id="a" * 32, parent=caller, state=state)
    trace.stage("route")
    trace.attempt("chat m", {"n": 1})
    told = trace.parent
    trace.end_attempt("upstream_gone")
    trace.attempt("chat m", {"n": 2})
    trace.stage("relay" * 30)
    trace.end(None, {})
    root, failed, made, route, relay = spans_in(trace)
    assert [one.name for one in (root, failed, made, route, relay)] == [
        "POST /v1/x", "chat m", "chat m", "route", "relay" * 30,
    ]  # fmt: skip
    assert {one.trace_id.hex() for one in spans_in(trace)} == {"a" * 32}
    assert {one.trace_state for one in spans_in(trace)} == {state}
    assert {one.flags for one in spans_in(trace)} == {1}
    assert root.parent_span_id.hex() == caller
    assert {one.parent_span_id for one in (failed, made, route, relay)} == {root.span_id}
    assert len({one.span_id for one in spans_in(trace)}) == 5
    assert told.split("-")[2] == failed.span_id.hex()
    assert [one.kind for one in (root, failed, route)] == [root.SPAN_KIND_SERVER, root.SPAN_KIND_CLIENT, 1]
    assert (failed.status.code, made.status.code) == (failed.status.STATUS_CODE_ERROR, 0)
    assert attributes(failed) == {"n": 1, "error.type": "upstream_gone"}
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (trace.root.began, trace.root.ended)
    assert [(one.name, one.start_time_unix_nano, one.end_time_unix_nano) for one in (route, relay)] == [*trace.stages]


def test_a_trace_that_cannot_be_written_is_dropped_and_counted_and_fails_nobody() -> None:
    exporter = Exporter(Encoder("gate", "web"), lambda body: b"")
    before = dropped()
    trace = Trace("x", "server", exporter.submit)
    trace.end(None, {"n": 2**64})
    assert dropped() == before + 1


def spans_in(trace: Trace) -> list[Span]:
    """As a collector has them."""
    request = read_export(Encoder("gate", "web").request([spans_of(trace)]))
    return [*request.resource_spans[0].scope_spans[0].spans]
