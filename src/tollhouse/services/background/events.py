"""The events of a response that is made in the background: numbered anew, kept in the database as they come."""

import threading
import time
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs
from tollhouse.domain.errors import TollhouseError
from tollhouse.services.background.claims import Claim, Claims, Lost
from tollhouse.wire import json_text
from tollhouse.wire.framing import EventFraming, event_data

GATHER_SECONDS = 0.2
"""How long events wait for others to share a transaction with."""
GATHER_BYTES = 64 * 1024
LONGEST_EVENT = 64 * 1024 * 1024
_TOLD_BEFORE = ("response.created", "response.queued")
"""By the gateway, when the response was asked for."""
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class EventLog:
    """Of one attempt. Fed with what a reply gives; `flush` may come from another thread."""

    def __init__(self, claims: Claims, claim: Claim) -> None:
        self._claims = claims
        self._claim = claim
        self._framing = EventFraming(LONGEST_EVENT)
        self._last = claim.last_number
        self._waiting: list[bytes] = []
        self._size = 0
        self._flushed = time.monotonic()
        self._lock = threading.Lock()
        self.gone = threading.Event()
        """Set when nobody wants what comes of it any more."""
        self.ended: dict[str, Any] | None = None
        """The response as its last event told it."""
        self.failure: dict[str, Any] | None = None
        """The event that told that the stream broke off."""

    def feed(self, chunk: bytes) -> None:
        """Raises Lost."""
        if self.gone.is_set():
            raise Lost
        for frame in self._framing.feed(chunk):
            self._take(frame)
        if self._waiting:
            self.flush()

    def flush(self, *, now: bool = False) -> None:
        """Keep what waits, where that is worth it. What the database does not take now waits on. Raises Lost."""
        with self._lock:
            due = now or self._size >= GATHER_BYTES or time.monotonic() - self._flushed >= GATHER_SECONDS
            if not (self._waiting and due):
                return
            events = list(self._waiting)
            try:
                self._last = self._claims.log(self._claim, self._last, events)
            except (SQLAlchemyError, TollhouseError) as error:
                logs.event("response_events_wait", level=logs.WARNING, error=type(error).__name__)
            else:
                self._waiting.clear()
                self._size = 0
            self._flushed = time.monotonic()

    def end(self, document: dict[str, Any]) -> None:
        """All of it, with its last event. Raises Lost, and what the database raises: then it may be called again."""
        with self._lock:
            events = list(self._waiting)
            if self._claim.streamed:
                last = _event({"type": f"response.{document['status']}", "response": document}, self._next)
                events.append(last)
            self._claims.end(self._claim, document, self._last, events)
            self._waiting.clear()

    def _take(self, frame: bytes) -> None:
        event = json_text.read_leniently(event_data(frame))
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str) or kind in _TOLD_BEFORE:
            return
        response = event.get("response")
        if kind in TERMINAL and isinstance(response, dict):
            self.ended = self.shown(response)
        elif kind == "error":
            self.failure = event
        elif self._claim.streamed:
            if isinstance(response, dict):
                event["response"] = self.shown(response)
            with self._lock:
                self._waiting.append(_event(event, self._next))
                self._size += len(self._waiting[-1])

    @property
    def _next(self) -> int:
        return self._last + len(self._waiting) + 1

    def shown(self, response: dict[str, Any]) -> dict[str, Any]:
        """A host's or a translation's response, as the one that was asked for."""
        own = {name: self._claim.document[name] for name in ("id", "created_at", "background", "store")}
        return {**response, **own}


def first_events(document: dict[str, Any]) -> bytes:
    """What is told before anybody is called: the events with the numbers 0 and 1."""
    return b"".join(_event({"type": kind, "response": document}, number) for number, kind in enumerate(_TOLD_BEFORE))


def cancelled_event(number: int) -> bytes:
    """There is none for it in the format: what ends otherwise ends with an error."""
    told = {"type": "error", "code": "response_cancelled", "message": "The response was cancelled.", "param": None}
    return _event(told, number)


def events_after(text: bytes, first: int, after: int) -> bytes:
    """Of events that were kept together, those behind the number `after`; `first` is the number of their first."""
    if first > after:
        return text
    return b"".join(event + b"\n\n" for event in text.split(b"\n\n")[after - first + 1 :] if event)


def _event(event: dict[str, Any], number: int) -> bytes:
    kind = event["type"]
    told = {"type": kind, "sequence_number": number, **{k: v for k, v in event.items() if k not in _HEAD}}
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json_text.write(told))


_HEAD = ("type", "sequence_number")
