"""One line of a batch as one call, and what becomes of the line then."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tollhouse import logs, traces
from tollhouse.domain.call import Call
from tollhouse.domain.course import Course
from tollhouse.domain.errors import (
    RELAYED,
    BudgetExceeded,
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
from tollhouse.domain.usage import Usage
from tollhouse.services.calls.reply import Reply
from tollhouse.wire import json_text
from tollhouse.wire.batch import ENDPOINTS, read_line
from tollhouse.wire.dialects import error_body, is_error_body, status_of
from tollhouse.wire.host_error import OVERLOADED, read_host_error

OUTAGE_SECONDS = 2.0
BUDGET_SECONDS = 15.0
"""How long a batch waits before it looks whether there is room in its budget again."""
TOO_MANY = 429

NOTHING = Usage()

Open = Callable[[Principal, Call], Reply]


@dataclass(frozen=True, slots=True)
class Answer:
    """The line has ended with this answer. `body` is JSON."""

    status: int
    request_id: str
    body: bytes
    usage: Usage = NOTHING
    cost: int | None = None

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Later:
    """The line has not ended. `slower`: the whole batch waits for so many seconds, None where nobody said how many.
    `failed`: the attempt counts against the line, and `last` is its answer, if there may be no more.
    """

    reason: str
    slower: bool
    seconds: float | None = None
    failed: bool = False
    last: Answer | None = field(default=None, compare=False)


class BatchCall:
    """Calls lines of one endpoint."""

    def __init__(self, endpoint: str, open: Open, trace: str | None = None) -> None:
        """`trace` is the one that its lines are in."""
        self._endpoint = endpoint
        self._format = ENDPOINTS[endpoint]
        self._dialect = "anthropic" if self._format == "messages" else "openai"
        self._open = open
        self._trace = trace

    def make(self, principal: Principal, text: bytes, tags: tuple[str, ...]) -> Answer | Later:
        """Raises nothing that is a call's."""
        request_id = new_id("req")
        logs.set_request_id(request_id)
        trace = traces.begin("batch line", "consumer", self._trace)
        try:
            _, body, facts = read_line(text, self._endpoint)
            call = Call(request_id, self._format, body, facts, tags=tags, course=Course(trace))
            return self._whole(self._open(principal, call))
        except TollhouseError as error:
            if trace is not None:
                trace.end(error.code, {"tollhouse.request_id": request_id})
            return self._judged(error, request_id)
        except Exception as error:  # noqa: BLE001 - a defect is this line's alone
            logs.event("defect", level=logs.ERROR, error=error, thread=threading.current_thread().name)
            problem = TollhouseError(f"The gateway failed; the log has the reason under {request_id}.")
            return Later(problem.message, slower=False, failed=True, last=self.told(problem, request_id))

    def _whole(self, reply: Reply) -> Answer:
        try:
            body = b"".join(reply)
            usage, cost = reply.usage, reply.cost
        finally:
            reply.close()
        return Answer(reply.status, reply.request_id, body, usage, cost)

    def _judged(self, error: TollhouseError, request_id: str) -> Answer | Later:
        wait = _wait(error)
        if wait is not None:
            return wait
        told = self.told(error, request_id)
        again = _again(error, told) if isinstance(error, UpstreamError) else None
        return again or told

    def told(self, error: TollhouseError, request_id: str) -> Answer:
        """The error as the vendor's SDK would have seen it."""
        return told_as(error, request_id, self._dialect)


def told_as(error: TollhouseError, request_id: str, dialect: str) -> Answer:
    """The error as the SDK of that vendor would have seen it."""
    if isinstance(error, UpstreamRejected) and error.upstream_status not in RELAYED:
        # The provider's words may quote its credential.
        error = UpstreamError(error.message)
    elif isinstance(error, UpstreamRejected):
        said = json_text.read_leniently(error.body)
        if is_error_body(said, dialect):
            return Answer(error.status, request_id, json_text.write(said))
        told = read_host_error(said, error.upstream_status)
        if words := told.anthropic_message if dialect == "anthropic" else told.message:
            error.message = f"{error.message.rstrip('.')}: {words}"
        error.param, error.code = told.param or None, told.openai_code or error.code
    body = error_body(error, dialect, request_id)
    return Answer(status_of(error, dialect), request_id, json_text.write(body))


def _wait(error: TollhouseError) -> Later | None:
    """What is not the line's fault, and passes: the whole batch waits for it. None for anything else."""
    if isinstance(error, BudgetExceeded):
        return Later(error.message, slower=True, seconds=BUDGET_SECONDS)
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return Later(error.message, slower=True, seconds=error.retry_after)
    if isinstance(error, (DeploymentFull, DeploymentResting)):
        return Later(error.message, slower=True, seconds=error.retry_after)
    if isinstance(error, (LedgerUnavailable, Overloaded)) or type(error) is Unavailable:
        return Later(error.message, slower=True, seconds=error.retry_after or OUTAGE_SECONDS)
    return None


def _again(error: UpstreamError, told: Answer) -> Later | None:
    """What of a provider's failures may be otherwise the next time; None where it will not."""
    if not isinstance(error, UpstreamRejected):
        return Later(error.message, slower=not error.billable, failed=True, last=told)
    if error.upstream_status == TOO_MANY:
        return Later(error.message, slower=True, seconds=error.retry_after, last=told)
    if error.upstream_status in OVERLOADED:
        return Later(error.message, slower=True, seconds=error.retry_after, failed=True, last=told)
    return Later(error.message, slower=False, failed=True, last=told) if again(error) != NEVER else None
