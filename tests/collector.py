"""A collector of traces, as far as a gateway can tell: it takes OTLP over HTTP in protobuf and keeps the spans."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def read_export(body: bytes) -> ExportTraceServiceRequest:
    """The request as OpenTelemetry's own definition has it: what that does not know is an error."""
    request = ExportTraceServiceRequest.FromString(body)
    request.DiscardUnknownFields()
    assert request.ByteSize() == len(body)
    return request


def attributes(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


class Collector:
    """At `url`. While it `hangs` it takes requests and answers none; while it is `full` it refuses them. Of each
    request it says to have `rejected` so many spans.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.resources: list[dict[str, Any]] = []
        self.full = False
        self.rejected = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.goes_on.wait(60)
                kind = self.headers["content-type"]
                known = self.path == "/v1/traces" and kind == "application/x-protobuf"
                status = 503 if collector.full else 200 if known else 404
                if status == 200:
                    collector.take(body, dict(self.headers))
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                answer = ExportTraceServiceResponse()
                if collector.rejected:
                    answer.partial_success.rejected_spans = collector.rejected
                    answer.partial_success.error_message = "too many" * 30
                self.send_header("content-length", str(answer.ByteSize()))
                self.end_headers()
                self.wfile.write(answer.SerializeToString())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        request = read_export(body)
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        for resource in request.resource_spans:
            self.resources.append({one.key: one.value.string_value for one in resource.resource.attributes})
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def of(self, trace_id: str) -> list[Span]:
        return [span for span in [*self.spans] if span.trace_id.hex() == trace_id]

    def named(self, name: str) -> list[Span]:
        return [span for span in [*self.spans] if span.name == name]

    def close(self) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()
