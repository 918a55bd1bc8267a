"""How a reply's bytes are cut into frames that can be metered, converted and relayed one by one.

Whatever chunks the network makes of a reply, its frames are the same, and joined they are its bytes.
"""

import re
from typing import Protocol

LONGEST_EVENT = 8 * 1024 * 1024
"""Bytes of one event that are waited for; what is longer is passed on in pieces that nobody meters."""

_LONG = 256 * 1024
"""Bytes of an event from which on its pieces are kept apart until it ends: to add each to those before takes a time
that grows with the square of its length."""

_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


class Framing(Protocol):
    """Pushed bytes, gives whole frames."""

    content_types: tuple[str, ...]
    """How the content type of such a reply may begin; the first is the usual one."""
    tells_failures: bool
    """Whether, once it has begun, a reply can say of itself that it failed."""

    def feed(self, chunk: bytes) -> list[bytes]: ...

    def finish(self) -> list[bytes]:
        """What is left at the end of the reply."""


class EventFraming:
    """Server-sent events: a frame is an event with the blank line that ends it."""

    content_types: tuple[str, ...] = ("text/event-stream",)
    tells_failures = True

    def __init__(self, longest: int = 0) -> None:
        """`longest` is what is waited for of one event where that is more than usual."""
        self._rest = b""
        self._before: list[bytes] = []  # of a long event, to put it together once
        self._size = 0  # of these
        self._longest = max(longest, LONGEST_EVENT)

    def feed(self, chunk: bytes) -> list[bytes]:
        if self._before:
            if not _BLANK_LINE.search(self._rest[-3:] + chunk) and self._size + len(chunk) <= self._longest:
                self._put_by(chunk)
                return []
            self._rest = b"".join([*self._before, self._rest])
            self._before.clear()
        # Up to three of the old bytes can be part of a blank line that ends in the new ones.
        searched = max(0, len(self._rest) - 3)
        text = self._rest + chunk if self._rest else chunk
        if text.find(b"\r") < 0:
            return self._feed_plain(text, searched)
        # A carriage return at the end may be half of a line's end: wait for the other half.
        end = len(text) - 1 if text.endswith(b"\r") else len(text)
        events = []
        start = 0
        for blank in _BLANK_LINE.finditer(text, searched, end):
            events.append(text[start : blank.end()])
            start = blank.end()
        self._keep(text[start:], events)
        return events

    def _feed_plain(self, text: bytes, searched: int) -> list[bytes]:
        """The same without carriage returns, as nearly every host streams: a search is cheaper than the pattern."""
        events = []
        start = 0
        while (blank := text.find(b"\n\n", max(start, searched))) >= 0:
            events.append(text[start : blank + 2])
            start = blank + 2
        self._keep(text[start:], events)
        return events

    def _keep(self, rest: bytes, events: list[bytes]) -> None:
        if len(rest) > self._longest:
            events.append(rest)
            rest = b""
        self._rest = rest
        if len(rest) > _LONG:
            self._size = len(rest)
            self._put_by(b"")

    def _put_by(self, chunk: bytes) -> None:
        """Of what came, only the end is looked at again."""
        rest = self._rest + chunk
        self._before.append(rest[:-3])
        self._rest = rest[-3:]
        self._size += len(chunk)

    def finish(self) -> list[bytes]:
        rest, self._rest = b"".join([*self._before, self._rest]), b""
        self._before.clear()
        return [rest] if rest else []


class WholeFraming:
    """A reply that is one document: its frames are its chunks, as they came."""

    content_types: tuple[str, ...] = ("application/json",)
    tells_failures = True

    def feed(self, chunk: bytes) -> list[bytes]:
        return [chunk]

    def finish(self) -> list[bytes]:
        return []


class BinaryFraming(WholeFraming):
    """A reply that is relayed as it comes, and that only its client can read."""

    tells_failures = False

    def __init__(self, *content_types: str) -> None:
        self.content_types = content_types


UNREADABLE = "an event that is not a JSON object"
"""What is said of it."""


def seems_an_object(data: bytes) -> bool:
    """Whether nothing at its ends, or in its bytes, says that this is no JSON object: much cheaper than to read it.
    Of an object that is written in an unusual way it may be False all the same.
    """
    return data.startswith(b'{"') and data.endswith(b"}") and (data.isascii() or _is_utf_8(data))


def is_readable(event: bytes) -> bool:
    """Whether it is an event, rather than what was left of one at a cut, or a piece of one that is too long."""
    return event.endswith((b"\n", b"\r")) and len(event) <= LONGEST_EVENT


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def event_data(event: bytes) -> bytes:
    """The data of an event, its lines joined."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    if event.startswith(b"event: "):
        data = event.find(b"\n") + 1
        if event.startswith(b"data: ", data) and event.find(b"\n", data) == len(event) - 2:
            return event[data + 6 : -2]
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)
