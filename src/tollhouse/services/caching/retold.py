"""A reply for one of several who get the same: what was made, metered and translated once, for whom it was made."""

import sys
from collections.abc import Callable
from typing import Any, Protocol

from tollhouse.domain.call import Call
from tollhouse.domain.course import Course
from tollhouse.domain.limits import Standing
from tollhouse.domain.ports import Exchange
from tollhouse.domain.routes import Target
from tollhouse.domain.usage import Usage
from tollhouse.services.calls.reply import Reply
from tollhouse.services.calls.settlement import NOTHING, Account
from tollhouse.services.calls.translation import dialect_of
from tollhouse.wire.framing import WholeFraming
from tollhouse.wire.passthrough import Passthrough

_ANY_LENGTH = sys.maxsize
"""Its length was looked at when it was made."""


class RetoldMeter:
    """Counts nothing: that was done. `outcome` tells how the reply has ended."""

    def __init__(self, *, streamed: bool, outcome: Callable[[], str], usage: Callable[[], Usage]) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._streamed = streamed
        self._outcome = outcome
        self._usage = usage

    def feed(self, frame: bytes) -> None:
        if self._streamed:
            self.started = self.first_token = True

    def finish(self) -> None:
        self.started = self.first_token = True
        if self._outcome() == "ok":
            self.complete = True
        else:
            # Whoever listens has been told so by what was said last.
            self.refused, self.problem = True, "a reply that broke off"

    def usage(self) -> Usage:
        return self._usage()


class LentAccount:
    """The account of a reply that goes on without whoever it is made for: that one cannot settle it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def target(self) -> Target:
        return self._account.target

    @property
    def attempts(self) -> int:
        return self._account.attempts

    @property
    def standing(self) -> Standing | None:
        return self._account.standing

    def saw_first_token(self) -> None:
        """It knows."""

    def upstream_ended(self, usage: Usage) -> None:
        """It knows."""

    def cost_of(self, usage: Usage) -> int | None:
        return self._account.cost_of(usage)

    def settle(self, usage: Usage, status: int, outcome: str) -> None:
        """The reply itself does."""


def always_ok() -> str:
    """The outcome of what was kept."""
    return "ok"


def nothing() -> Usage:
    """What it used, for whom it was not made."""
    return NOTHING


class Source(Protocol):
    """What is told again: a reply that is under way, or one that was kept."""

    @property
    def content_type(self) -> str: ...

    @property
    def dropped(self) -> tuple[str, ...]: ...

    @property
    def cap(self) -> int | None: ...


def retold(
    call: Call,
    source: Source,
    exchange: Exchange,
    account: Account,
    *,
    outcome: Callable[[], str] = always_ok,
    usage: Callable[[], Usage] = nothing,
    course: Course | None = None,
) -> Reply:
    """A reply that has begun: what the exchange says is in the caller's own format already. `course` is the call's,
    unless another reply has that.
    """
    reply = Reply(
        request_id=call.request_id,
        dialect=dialect_of(call),
        format=call.format,
        content_type=source.content_type,
        streamed=call.facts.stream,
        cap=source.cap,
        dropped=source.dropped,
        exchange=exchange,
        framing=WholeFraming(),
        meter=RetoldMeter(streamed=call.facts.stream, outcome=outcome, usage=usage),
        converter=Passthrough(),
        booking=account,
        course=course or call.course,
    )
    reply.start(_ANY_LENGTH)
    return reply
