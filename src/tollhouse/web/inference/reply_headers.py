"""What the headers of an answer say: who gave it, what it cost, what is left of the caller's limits."""

from tollhouse.domain.money import usd_from_nanos
from tollhouse.services.calls.reply import Reply
from tollhouse.services.given import GivenAnswer
from tollhouse.services.repeats.repeats import Recorded
from tollhouse.wire.rate_limit_headers import rate_limit_headers

Said = Reply | GivenAnswer | Recorded


def headers_of(reply: Said) -> list[tuple[str, str]]:
    """In the order in which they are sent."""
    if isinstance(reply, Reply):
        return _described(reply)
    if isinstance(reply, GivenAnswer):
        return _given(reply)
    headers = _described(reply.source)
    reply.told(headers)
    return headers if reply.is_kept is not False else [*headers, ("idempotency-kept", "false")]


def _given(answer: GivenAnswer) -> list[tuple[str, str]]:
    return [("content-type", answer.content_type), *answer.headers.items()]


def _described(reply: Reply) -> list[tuple[str, str]]:
    headers = [
        ("content-type", reply.content_type),
        ("x-tollhouse-model", reply.model),
        ("x-tollhouse-provider", reply.provider),
        ("x-tollhouse-attempts", str(reply.attempts)),
    ]
    headers += reply.headers.items()
    if reply.standing is not None:
        headers += rate_limit_headers(reply.standing, reply.dialect or "openai")
    if reply.dropped:
        headers.append(("x-tollhouse-dropped", ", ".join(reply.dropped)))
    if reply.cap is not None:
        headers.append(("x-tollhouse-output-cap", str(reply.cap)))
    if reply.cache is not None:
        headers.append(("x-tollhouse-cache", reply.cache))
        if reply.age is not None:
            headers.append(("age", str(reply.age)))
        if reply.similarity is not None:
            headers.append(("x-tollhouse-similarity", str(reply.similarity)))
    if reply.streamed:
        headers += (("cache-control", "no-cache"), ("x-accel-buffering", "no"))
        return headers
    headers.append(("content-length", str(reply.size)))
    if (cost := reply.cost) is not None:
        headers.append(("x-tollhouse-cost-usd", usd_from_nanos(cost)))
    return headers
