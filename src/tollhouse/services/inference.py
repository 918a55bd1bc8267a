"""The pipeline: route, translate, limit, admit, send, relay, settle. The file to read first.

open()            route, translate, limit, admit, and send until a target answers
Reply.__iter__    relay
Reply.close()     settle
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from tollhouse import crash_points, logs, metrics
from tollhouse.domain.call import Call
from tollhouse.domain.errors import (
    ClientGone,
    TollhouseError,
    Unavailable,
    UnknownModel,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRejected,
)
from tollhouse.domain.ports import Exchange, Ledger, Outgoing, Outside, Upstreams, at_once
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue, Route, Target
from tollhouse.domain.usage import Usage
from tollhouse.services.admission import Admission, Admitted
from tollhouse.services.catalogue import CatalogueReader
from tollhouse.services.limiting import Allowance, Limiting
from tollhouse.services.reply import CLIENT_GONE, Reply
from tollhouse.services.routing import candidates, route_of
from tollhouse.services.settlement import NOTHING, Booking
from tollhouse.services.translation import Choice, Wording, dialect_of, word
from tollhouse.services.vitals import Watch
from tollhouse.wire import json_text
from tollhouse.wire.host_error import read_host_error

LONGEST_ERROR = 64 * 1024
"""Bytes of an upstream's error that are read."""
LONGEST_WAIT = 3600.0
"""Seconds of a provider's `retry-after` that are passed on at most."""
_JSON = re.compile(r"application/(?:[a-z0-9.-]+\+)?json\b", re.IGNORECASE)


class Inference:
    """Every call of every caller comes through `open`: requests, background work, probes."""

    def __init__(
        self,
        catalogue: CatalogueReader,
        limiting: Limiting,
        admission: Admission,
        ledger: Ledger,
        upstreams: Upstreams,
        *,
        max_reply_bytes: int,
        outside: Outside = at_once,
    ) -> None:
        """`outside` translates large bodies."""
        self._catalogue = catalogue
        self._watch = Watch()
        self._limiting = limiting
        self._admission = admission
        self._ledger = ledger
        self._upstreams = upstreams
        self._max_reply_bytes = max_reply_bytes
        self._outside = outside

    def open(self, principal: Principal, call: Call) -> Reply:
        """A reply that has begun; whoever gets it closes it. Raises TollhouseError, and then all is settled."""
        catalogue = self._catalogue.current
        route, targets = self._route(catalogue, principal, call)
        run = self._outside if call.facts.size >= json_text.LARGE else at_once
        choices = run(lambda: word(call, targets, self._upstreams.manners))
        admitted, allowance = self._admit(principal, _booked_as(call, route.name), choices, catalogue)
        booking = Booking(self._ledger, admitted, choices[0][0], allowance)
        try:
            return self._send(call, choices, admitted, booking)
        except TollhouseError as error:
            error.standing = booking.standing
            booking.settle(_usage_of_failure(error, admitted), error.status, error.code)
            raise
        except ClientGone:
            booking.settle(booking.known_usage(), 0, CLIENT_GONE)
            raise
        except BaseException:
            booking.settle(booking.known_usage(), 500, "internal_error")
            raise

    def _route(self, catalogue: Catalogue, principal: Principal, call: Call) -> tuple[Route, Sequence[Target]]:
        try:
            route = route_of(catalogue, principal, call.facts.model)
        except UnknownModel:
            if catalogue.version < 0:
                raise Unavailable("This gateway has not read its catalogue yet. Try again.", retry_after=1) from None
            raise
        return route, candidates(route, principal, call, self._watch)

    def _admit(
        self, principal: Principal, call: Call, choices: Sequence[Choice], catalogue: Catalogue
    ) -> tuple[Admitted, Allowance]:
        """Under all limits and in all budgets, or in none."""
        try:
            allowance = self._limiting.take(principal, call, choices, catalogue)
            try:
                return self._admission.admit(principal, call, choices), allowance
            except BaseException:
                allowance.give_back()
                raise
        except TollhouseError as error:
            metrics.HOLD_REFUSALS.labels(error.code).inc()
            raise

    def _send(self, call: Call, choices: Sequence[Choice], admitted: Admitted, booking: Booking) -> Reply:
        for target, wording in choices:
            last = target is choices[-1][0]
            booking.sent_to(target)
            try:
                reply = self._attempt(call, target, wording, admitted, booking, last=last)
            except UpstreamError as error:
                metrics.UPSTREAM_ATTEMPTS.labels(target.host.name, error.code).inc()
                # An attempt that may be billed is booked as it is: another would need a hold of its own.
                if error.billable or not error.may_fail_over or last:
                    raise
                logs.event("upstream_failed_over", level=logs.WARNING, code=error.code, error=error.message)
            else:
                metrics.UPSTREAM_ATTEMPTS.labels(target.host.name, "ok").inc()
                return reply
        raise AssertionError("a route without targets")

    def _attempt(
        self, call: Call, target: Target, wording: Wording, admitted: Admitted, booking: Booking, *, last: bool
    ) -> Reply:
        format, said = wording.format, wording.call
        cap = admitted.cap
        if cap is None and format.requires_cap and said.facts.output_cap is None:
            cap = target.max_output or target.default_output_cap
        body = format.write(said, target, cap, self._upstreams.manners(target.host))
        converter = wording.pair.converter(call)
        if last:
            _let_go(call, said, len(body))
        exchange = self._upstreams.open(target, Outgoing(format.name, body, call.headers, call.facts.stream))
        del body
        if last:
            _let_go(call, said, 0)
        try:
            crash_points.reach("sent")
            framing = format.framing(said.facts)
            content_type = _expect_success(exchange, target, framing.content_types)
            meter = format.meter(said.facts, admitted.input_bound)
            booking.relays(meter.usage, exchange.status)
            reply = Reply(
                request_id=call.request_id,
                dialect=dialect_of(call) if framing.tells_failures else None,
                format=call.format,
                content_type=content_type,
                streamed=call.facts.stream,
                cap=cap if cap != call.facts.output_cap else None,
                exchange=exchange,
                framing=framing,
                meter=meter,
                converter=converter,
                dropped=wording.dropped,
                booking=booking,
            )
            reply.start(self._max_reply_bytes)
            crash_points.reach("began")
        except BaseException:
            exchange.close()
            raise
        return reply


def _booked_as(call: Call, model: str) -> Call:
    """The call by the name that limits, budgets and the ledger know: not an alias, nor what a star stands for."""
    return call if call.facts.model == model else replace(call, facts=replace(call.facts, model=model))


def _let_go(call: Call, said: Call, left: int) -> None:
    """Of a body that nobody will be sent again, however long its reply takes."""
    said.let_go(left)
    call.let_go(left)


def _expect_success(exchange: Exchange, target: Target, expected: tuple[str, ...]) -> str:
    """The content type of an answer that is one, which begins like one of the expected. Raises UpstreamRejected,
    UpstreamInvalid.
    """
    content_type = exchange.headers.get("content-type", "")
    if not 200 <= exchange.status < 300:
        raise UpstreamRejected(
            f"The provider {target.host.name} answered with status {exchange.status}.",
            status=exchange.status,
            body=_read_error(exchange),
            content_type=content_type,
            retry_after=_seconds(exchange.headers.get("retry-after")),
        )
    if not content_type.lower().startswith(expected):
        if _JSON.match(content_type) and (told := _read_failure(exchange)) is not None:
            body, status = told
            raise UpstreamRejected(
                f"The provider {target.host.name} sent an error under a status of success.",
                status=status,
                body=body,
                content_type=content_type,
                retry_after=_seconds(exchange.headers.get("retry-after")),
            )
        raise UpstreamInvalid(
            f"The provider {target.host.name} answered with {content_type[:60]!r} where {expected[0]} was asked for."
        )
    return content_type


def _read_failure(exchange: Exchange) -> tuple[bytes, int] | None:
    """The error that a document is which nobody asked for, and the status that belongs to it; None where it is none."""
    body = _read_error(exchange)
    document = json_text.read_leniently(body)
    if not isinstance(document, dict) or not document.get("error"):
        return None
    return body, read_host_error(document).status


def _read_error(exchange: Exchange) -> bytes:
    body = b""
    try:
        while len(body) <= LONGEST_ERROR and (chunk := exchange.read()):
            body += chunk
    except UpstreamError:
        return b""
    return body if len(body) <= LONGEST_ERROR else b""


def _seconds(text: str | None) -> float | None:
    """A provider's wish, as far as it can be granted."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None


def _usage_of_failure(error: TollhouseError, admitted: Admitted) -> Usage:
    """What a failed attempt is charged: nothing where the provider did no work, else what is known of it."""
    if isinstance(error, UpstreamError) and error.billable:
        return error.usage or admitted.unknown_usage()
    return NOTHING
