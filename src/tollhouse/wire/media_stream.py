"""The meter of a stream of images, of sound or of a transcript: its last event tells what it used."""

from typing import Any

from tollhouse.domain.usage import Usage
from tollhouse.wire import json_text
from tollhouse.wire.answers import Fault
from tollhouse.wire.document_meter import ReadUsage
from tollhouse.wire.framing import LONGEST_EVENT, UNREADABLE, EventFraming, event_data


class EventsOrDocument(EventFraming):
    """A host whose model cannot stream may answer with a document all the same; that is its one frame."""

    content_types: tuple[str, ...] = ("text/event-stream", "application/json")


class MediaStreamMeter:
    """`ends` is how the type of the event ends that has the usage. Other events are not parsed: they are large.
    `fault` is what is wrong with a document in place of a stream; None where there can be none.
    """

    def __init__(self, ends: bytes, read_usage: ReadUsage, estimate: Usage, fault: Fault | None = None) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._ends = ends
        self._read_usage = read_usage
        self._usage = estimate
        self._fault = fault

    def feed(self, frame: bytes) -> None:
        data = event_data(frame) or (frame if frame[:1] == b"{" else b"")
        if not data:
            return
        if data.startswith(b"[DONE]"):
            self.started = self.complete = True
        elif self.started and self._ends not in data and b'"error"' not in data:
            self.first_token = True
        else:
            self._read(data, whole=data is frame)

    def finish(self) -> None:
        if not self.complete:
            self.problem = self.problem or "a stream that ended without its last event"

    def usage(self) -> Usage:
        return self._usage

    def _read(self, data: bytes, *, whole: bool) -> None:
        document = json_text.read_leniently(data)
        if not isinstance(document, dict):
            if len(data) <= LONGEST_EVENT and not self.complete:
                self.problem = UNREADABLE
            return
        kind = document.get("type")
        if document.get("error") or kind == "error":
            self.problem, self.refused, self.said = "an error event", True, document
            return
        if whole and self._fault and (wrong := self._fault(document)):
            self.problem = self.problem or f"an answer whose {wrong!r} is missing or wrong"
            return
        self.started = self.first_token = True
        if whole or (isinstance(kind, str) and kind.encode(errors="replace").endswith(self._ends)):
            self.complete = True
            if (told := self._read_usage(document)) is not None:
                self._usage = told
