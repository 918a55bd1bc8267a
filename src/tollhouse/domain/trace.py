"""A call's trace: spans of its stages and attempts, under one of the call itself."""

import random
import time
from collections.abc import Callable
from typing import Any, Literal

Attributes = dict[str, Any]
"""By OpenTelemetry's name: text, whole numbers, true or false. Never what a caller wrote or a model said."""
Kind = Literal["internal", "server", "client", "consumer"]


class Span:
    """The call, or an attempt. Times are in nanoseconds since 1970; `error` is a code, None where all is well."""

    __slots__ = ("attributes", "began", "ended", "error", "id", "kind", "name", "parent")

    def __init__(self, name: str, kind: Kind, parent: str, attributes: Attributes | None = None) -> None:
        self.id = f"{random.getrandbits(64) or 1:016x}"
        self.name = name
        self.kind = kind
        self.parent = parent
        self.attributes = attributes if attributes is not None else {}
        self.error: str | None = None
        self.began = time.time_ns()
        self.ended = 0


class Trace:
    """One call's part of a trace that its caller may have begun. Stages follow one another; an attempt goes on beside
    them. Nothing is added once it has ended.

    A stage is no more than a tuple: a call has ten spans, and they are made while it waits.
    """

    __slots__ = ("_attempt", "_done", "_stage", "_stage_began", "attempts", "id", "root", "stages", "state")

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
        self.id = id or f"{random.getrandbits(128) or 1:032x}"
        self.state = state
        self.root = Span(name, kind, parent)
        self.stages: list[tuple[str, int, int]] = []
        """Name, when it began, when it ended."""
        self.attempts: list[Span] = []
        self._done: Callable[[Trace], None] | None = done
        self._stage: str | None = None
        self._stage_began = 0
        self._attempt: Span | None = None

    def stage(self, name: str) -> None:
        """The next stage begins; the one before has ended."""
        if self._done is not None:
            now = time.time_ns()
            if self._stage is not None:
                self.stages.append((self._stage, self._stage_began, now))
            self._stage, self._stage_began = name, now

    def attempt(self, name: str, attributes: Attributes) -> None:
        """A provider is called: the stage before has ended."""
        if self._done is not None:
            self.end_attempt("abandoned")
            self._attempt = Span(name, "client", self.root.id, attributes)
            self._end_stage(self._attempt.began)
            self.attempts.append(self._attempt)

    def end_attempt(self, error: str | None = None, attributes: Attributes | None = None) -> None:
        """What became of the attempt that is under way, if one is."""
        span, self._attempt = self._attempt, None
        if span is not None:
            span.ended = time.time_ns()
            span.error = error
            if attributes:
                span.attributes |= attributes

    def end(self, error: str | None, attributes: Attributes) -> None:
        """The call has ended; only the first time counts."""
        done, self._done = self._done, None
        if done is None:
            return
        self.end_attempt(error)
        self.root.ended = time.time_ns()
        self._end_stage(self.root.ended)
        self.root.error = error
        self.root.attributes |= attributes
        done(self)

    @property
    def parent(self) -> str:
        """W3C's `traceparent` for whoever is called now."""
        return f"00-{self.id}-{(self._attempt or self.root).id}-01"

    def __len__(self) -> int:
        """Of its spans."""
        return 1 + len(self.stages) + len(self.attempts)

    def _end_stage(self, now: int) -> None:
        if self._stage is not None:
            self.stages.append((self._stage, self._stage_began, now))
            self._stage = None
