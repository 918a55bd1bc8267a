import threading

import pytest

from tests.collector import collecting, read_export
from tests.running import wait_until
from tollhouse import metrics
from tollhouse.domain.trace import Trace
from tollhouse.traces.exporter import AT_ONCE, Exporter
from tollhouse.traces.otlp import Encoder
from tollhouse.traces.post import Post


def dropped() -> float:
    return metrics.REGISTRY.get_sample_value("tollhouse_spans_dropped_total") or 0


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


def test_while_a_collector_hangs_traces_wait_within_a_bound_and_nobody_waits_for_them() -> None:
    taken, goes_on = threading.Event(), threading.Event()

    def send(body: bytes) -> None:
        taken.set()
        goes_on.wait(60)

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
    body = Encoder("gate", "web").request([trace])
    assert b"abcdefghijklmnop" not in body
    read_export(body)


@pytest.mark.parametrize("value", ["text", 2**62, True, 0.5])
def test_each_kind_of_value_is_one_that_collectors_know(value: object) -> None:
    trace = Trace("x", "client", lambda trace: None)
    trace.end(None, {"given": value, "none": None})
    (span,) = read_export(Encoder("gate", "web").request([trace])).resource_spans[0].scope_spans[0].spans
    (found,) = span.attributes
    assert (found.key, getattr(found.value, found.value.WhichOneof("value"))) == ("given", value)
