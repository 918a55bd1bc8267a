"""For those who run the gateway: `/healthz`, `/readyz`, `/metrics`."""

from flask import Blueprint, Response

from tollhouse import metrics
from tollhouse.domain.errors import Unavailable
from tollhouse.web.gate import services
from tollhouse.wire import json_text

blueprint = Blueprint("operations", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process lives: no dependency is asked."""
    return Response(b'{"status":"ok"}', content_type="application/json")


@blueprint.get("/readyz")
def readyz() -> Response:
    """503 without the database; without Redis 200, and `degraded` says so."""
    readiness = services().health.readiness()
    document: dict[str, object] = {"status": "ready" if readiness.ready else "down"}
    if readiness.down:
        document["down"] = readiness.down
    if readiness.degraded:
        document["degraded"] = readiness.degraded
    return Response(json_text.write(document), 200 if readiness.ready else 503, content_type="application/json")


@blueprint.get("/metrics")
def show_metrics() -> Response:
    try:
        text = metrics.render(services().outside)
    except TimeoutError as error:
        raise Unavailable(f"{error} Ask again.") from error
    return Response(text, content_type=metrics.CONTENT_TYPE)
