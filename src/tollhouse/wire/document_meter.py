"""The meter of a whole reply that is paid for by tokens or by units, as it says itself or else as is estimated."""

from collections.abc import Callable, Mapping
from typing import Any

from tollhouse.domain.usage import Usage
from tollhouse.wire import json_text
from tollhouse.wire.answers import Fault

ReadUsage = Callable[[Mapping[str, Any]], Usage | None]
"""What a document says was used; None where it says nothing."""


class DocumentMeter:
    """Knows nothing until the reply is complete. It is a JSON object without a `fault`, or, where `text` may be,
    anything but an object with one. What is no answer may still say what it used.
    """

    def __init__(self, read_usage: ReadUsage, estimate: Usage, *, fault: Fault, text: bool = False) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._read_usage = read_usage
        self._usage = estimate
        self._fault = fault
        self._text = text
        self._frames: list[bytes] = []

    def feed(self, frame: bytes) -> None:
        self._frames.append(frame)

    def finish(self) -> None:
        document = json_text.read_leniently(b"".join(self._frames))
        self._frames.clear()
        if isinstance(document, dict) and document.get("error"):
            self.problem, self.refused, self.said = "an error under a status of success", True, document
        elif not isinstance(document, dict) and not self._text:
            self.problem = "an answer that is not a JSON object"
        else:
            if isinstance(document, dict) and (wrong := self._fault(document)):
                self.problem = f"an answer whose {wrong!r} is missing or wrong"
            else:
                self.started = self.complete = self.first_token = True
            if isinstance(document, dict) and (told := self._read_usage(document)) is not None:
                self._usage = told

    def usage(self) -> Usage:
        return self._usage
