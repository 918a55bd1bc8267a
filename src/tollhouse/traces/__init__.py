"""Traces: spans of calls, sent by OTLP over HTTP to a collector, off the path of calls.

Without an endpoint nothing is traced, and nothing of this is loaded. No prompt, answer or key is ever in a span; what
looks like a secret is masked as in logs.
"""

import random
from typing import TYPE_CHECKING

from tollhouse.domain.trace import Kind, Trace
from tollhouse.settings import Settings
from tollhouse.traces.context import read_parent, read_state

if TYPE_CHECKING:
    from tollhouse.traces.exporter import Exporter

__all__ = ["begin", "configure", "flush", "goes_to", "read_parent"]


class _Tracing:
    """Of this process."""

    exporter: "Exporter | None" = None
    share = 1.0
    providers: frozenset[str] = frozenset()


def configure(settings: Settings, process: str) -> None:
    """Trace the calls of this process, which is a "web" or a "worker", where the settings say so."""
    _Tracing.exporter, _Tracing.providers = None, frozenset()
    if settings.otlp_endpoint:
        from tollhouse.traces.exporter import Exporter
        from tollhouse.traces.otlp import Encoder
        from tollhouse.traces.post import Post

        encoder = Encoder(settings.otel_service_name, process)
        post = Post(settings.otlp_endpoint, settings.otlp_headers, ca_bundle=settings.ca_bundle)
        _Tracing.exporter = Exporter(encoder, post)
        _Tracing.share = settings.trace_share
        _Tracing.providers = frozenset(settings.trace_providers)


def begin(name: str, kind: Kind, parent: str | None = None, state: str | None = None) -> Trace | None:
    """A trace that goes on where W3C's `traceparent` says, else a new one; None where this call is not traced.

    A caller decides for its own trace; of others, so many are traced as a setting says.
    """
    exporter = _Tracing.exporter
    if exporter is None:
        return None
    context = read_parent(parent) if parent else None
    if context is None:
        if _Tracing.share < 1 and random.random() >= _Tracing.share:  # noqa: S311 - no secret
            return None
        return Trace(name, kind, exporter.submit)
    if not context.sampled:
        return None
    return Trace(name, kind, exporter.submit, id=context.trace_id, parent=context.span_id, state=read_state(state))


def goes_to(provider: str) -> bool:
    """Whether this provider is told the trace that a call is in."""
    return provider in _Tracing.providers


def flush(seconds: float = 2.0) -> None:
    """Send what waits, as far as that takes no longer: before a process ends."""
    if _Tracing.exporter is not None:
        _Tracing.exporter.flush(seconds)
