"""One attempt at a response that is made in the background, and what becomes of it then."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from tollhouse import logs, traces
from tollhouse.domain.call import Call
from tollhouse.domain.course import Course
from tollhouse.domain.errors import (
    RELAYED,
    DeploymentFull,
    DeploymentResting,
    LedgerUnavailable,
    Overloaded,
    RateLimited,
    TollhouseError,
    Unavailable,
    UpstreamError,
    UpstreamRejected,
)
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.principal import Principal
from tollhouse.domain.retries import NEVER, again
from tollhouse.services.background.claims import Claim
from tollhouse.services.background.events import EventLog
from tollhouse.services.responses.items import size_of
from tollhouse.services.responses.responses import Responses
from tollhouse.wire import FORMATS, json_text
from tollhouse.wire.host_error import read_host_error
from tollhouse.wire.responses_to_chat.failure import error_of

FORMAT = "responses"
WAIT_SECONDS = 5.0
"""How long a response waits, where nobody says for how long, the first time."""
LONGEST_WAIT = 60.0
TOO_MANY = 429
_PASSING = ("server_error", "rate_limit_exceeded")
"""Failures of a host that may be none the next time."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The response has ended so."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Later:
    """It is called again. `failed` counts the attempt against it, and then `last` is its end if there may be no more;
    `seconds` are None where nobody said how many.
    """

    reason: str
    seconds: float | None
    failed: bool
    last: dict[str, Any]


def as_called(request_id: str, asked: Mapping[str, Any]) -> Call:
    """The call as it is made, of what was asked for: always a stream, so that nobody waits in vain for long."""
    body = {name: value for name, value in asked["body"].items() if name != "background"} | {"stream": True}
    facts = FORMATS[FORMAT].read(body, size_of(body))
    return Call(request_id, FORMAT, body, facts, asked["headers"], asked["strict"], tags=tuple(asked["tags"]))


class BackgroundCall:
    """Calls hosts of any format."""

    def __init__(self, responses: Responses) -> None:
        self._responses = responses

    def make(self, principal: Principal, claim: Claim, log: EventLog, finish: Callable[[Ended | Later], None]) -> None:
        """Call `finish` once, with what became of it. Raises Lost, ClientGone and what `finish` raises."""
        # An attempt is booked under an id of its own; the first one is the request itself.
        request_id = claim.id.replace("resp_", "req_") if claim.attempt == 1 else new_id("req")
        logs.set_request_id(request_id)
        logs.event("response_attempt", response=claim.id, attempt=claim.attempt)
        # The trace goes on that its caller had when it was queued.
        trace = traces.begin("background response", "consumer", *claim.call.get("trace", ()))
        try:
            call = replace(as_called(request_id, claim.call), course=Course(trace))
            prepared = self._responses.prepare(principal, call)
            with closing(self._responses.send(principal, prepared)) as reply:
                for chunk in reply:
                    log.feed(chunk)
                    if log.ended:
                        break
                # Before it is booked: what is paid for is kept first.
                finish(_outcome(claim, log))
        except TollhouseError as error:
            if trace is not None:
                trace.end(error.code, {"tollhouse.request_id": request_id})
            finish(_judged(claim, error))


def _outcome(claim: Claim, log: EventLog) -> Ended | Later:
    if log.ended is not None:
        error = log.ended.get("error")
        if log.ended.get("status") == "failed" and isinstance(error, dict) and error.get("code") in _PASSING:
            return Later(str(error.get("message")), None, failed=True, last=log.ended)
        return Ended(log.ended)
    told = log.failure or {"message": "The provider ended its answer before it was whole."}
    return Later(str(told.get("message")), None, failed=True, last=_failed(claim, error_of(told)))


def failed_by(claim: Claim, error: TollhouseError) -> dict[str, Any]:
    """The response that failed for this."""
    message = error.message
    if isinstance(error, UpstreamRejected) and error.upstream_status in RELAYED:
        # Of other statuses, the provider's words may quote its credential.
        said = read_host_error(json_text.read_leniently(error.body), error.upstream_status).message
        message = f"{message.rstrip('.')}: {said}" if said else message
    return _failed(claim, error_of({"code": error.status, "message": message}))


def _failed(claim: Claim, error: dict[str, str]) -> dict[str, Any]:
    return {**claim.document, "status": "failed", "error": error, "output": []}


def _judged(claim: Claim, error: TollhouseError) -> Ended | Later:
    last = failed_by(claim, error)
    seconds = error.retry_after
    if isinstance(error, RateLimited):
        return Ended(last) if seconds is None else Later(error.message, seconds, failed=False, last=last)
    away = isinstance(error, LedgerUnavailable | Overloaded) or type(error) is Unavailable
    if away or isinstance(error, DeploymentFull | DeploymentResting):
        return Later(error.message, seconds, failed=False, last=last)
    if isinstance(error, UpstreamRejected) and error.upstream_status == TOO_MANY:
        return Later(error.message, seconds, failed=False, last=last)
    if not isinstance(error, UpstreamError) or (isinstance(error, UpstreamRejected) and again(error) == NEVER):
        return Ended(last)
    return Later(error.message, seconds, failed=True, last=last)
