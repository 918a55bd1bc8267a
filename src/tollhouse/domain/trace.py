"""A call's trace: spans of its stages and attempts, under one of the call itself."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

Attributes = dict[str, Any]
"""By OpenTelemetry's name: text, whole numbers, true or false. Never what a caller wrote or a model said."""
Group = tuple[tuple[str, Any], ...]
"""Text and whole numbers that many spans have alike: how they are written is remembered."""
Kind = Literal["internal", "server", "client", "consumer"]

_HALF = (1 << 63) - 1


class Span:
    """The call, or an attempt. Times are in nanoseconds since 1970; `error` is a code, None where all is well."""

    __slots__ = ("attributes", "began", "ended", "error", "groups", "id", "kind", "name")

    def __init__(self, id: int, name: str, kind: Kind, attributes: Attributes, groups: tuple[Group, ...] = ()) -> None:
        self.id = id
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self.groups = groups
        self.error: str | None = None
        self.began = time.time_ns()
        self.ended = 0


class Trace:
    """One call's part of a trace that its caller may have begun. Stages follow one another; an attempt goes on beside
    them. Nothing is added once it has ended.

    A stage is no more than its name and a time in a list: a call has ten spans, and they are made while it waits.
    """

    __slots__ = ("_attempt", "_done", "_marks", "attempts", "caller", "id", "root", "state")

    def __init__(
        self,
        name: str,
        kind: Kind,
        done: Callable[["Trace"], None],
        *,
        id: str | None = None,
        parent: str = "",
        state: str = "",
    ) -> None:
        """`id`, `parent` and `state` are the caller's, where there are any; `done` is called once, at the end."""
        bits = random.getrandbits(191)
        self.id = bytes.fromhex(id) if id else (bits >> 63 or 1).to_bytes(16, "big")
        self.caller = bytes.fromhex(parent)
        """The id of the span that called, or nothing."""
        self.state = state
        # The ids of its other spans follow this one.
        self.root = Span((bits & _HALF) + 1, name, kind, {})
        self.attempts: list[Span] = []
        self._marks: list[Any] = []
        """The names of stages, None for none, each before the time at which it began."""
        self._done: Callable[[Trace], None] | None = done
        self._attempt: Span | None = None

    def stage(self, name: str) -> None:
        """The next stage begins; the one before has ended."""
        if self._done is not None:
            self._marks += name, time.time_ns()

    def attempt(self, name: str, attributes: Attributes, *groups: Group) -> None:
        """A provider is called: the stage before has ended."""
        if self._done is not None:
            self.end_attempt("abandoned")
            span = self._attempt = Span(self.root.id + 1 + len(self.attempts), name, "client", attributes, groups)
            self._marks += None, span.began
            self.attempts.append(span)

    def end_attempt(self, error: str | None = None, *groups: Group) -> None:
        """What became of the attempt that is under way, if one is."""
        span, self._attempt = self._attempt, None
        if span is not None:
            span.ended = time.time_ns()
            span.error = error
            span.groups += groups

    def end(self, error: str | None, attributes: Attributes, *groups: Group) -> None:
        """The call has ended; only the first time counts."""
        done, self._done = self._done, None
        if done is None:
            return
        self.end_attempt(error)
        root = self.root
        root.ended = time.time_ns()
        self._marks += None, root.ended
        root.error = error
        root.attributes, root.groups = attributes, groups
        done(self)

    @property
    def stages(self) -> Iterator[tuple[str, int, int]]:
        """Name, when it began, when it ended; of those that have ended."""
        marks = self._marks
        for at in range(0, len(marks) - 2, 2):
            if (name := marks[at]) is not None:
                yield name, marks[at + 1], marks[at + 3]

    def __len__(self) -> int:
        """Of its spans."""
        return 1 + len(self.attempts) + sum([name is not None for name in self._marks[:-2:2]])

    @property
    def parent(self) -> str:
        """W3C's `traceparent` for whoever is called now."""
        return f"00-{self.id.hex()}-{(self._attempt or self.root).id:016x}-01"
