"""Watching a reply: what the caller gets goes by here first."""

from typing import Protocol

from tollhouse.wire.passthrough import Converter


class Tap(Protocol):
    """Watches what the caller gets, and may hold its end back. It fails no reply that has begun, and keeps no more
    of it than it must.
    """

    def feed(self, out: bytes) -> bytes:
        """What may go on now, when this is about to."""

    def finish(self) -> bytes:
        """The host has ended cleanly: the rest. Of a whole reply it may raise TollhouseError, and the caller gets
        that instead.
        """

    def abort(self) -> None:
        """The reply broke off, or whoever asked for it left."""


class Tapped:
    """A converter with a tap behind it."""

    def __init__(self, converter: Converter, tap: Tap) -> None:
        self._converter = converter
        self._tap = tap

    def feed(self, frame: bytes) -> bytes:
        out = self._converter.feed(frame)
        return self._tap.feed(out) if out else out

    def finish(self) -> bytes:
        out = self._converter.finish()
        return (self._tap.feed(out) if out else out) + self._tap.finish()
