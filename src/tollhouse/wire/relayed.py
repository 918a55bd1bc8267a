"""The meter of a reply that only its client can read: what it costs is known from the request."""

from typing import Any

from tollhouse.domain.usage import Usage


class RelayMeter:
    """Any first byte is the point of no return."""

    def __init__(self, usage: Usage) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._usage = usage

    def feed(self, frame: bytes) -> None:
        if frame:
            self.started = self.first_token = True

    def finish(self) -> None:
        self.complete = self.started

    def usage(self) -> Usage:
        return self._usage
