"""Taps on replies that are kept: the end of a reply goes out when its record is committed, not before.

A record that cannot be made does not undo the call, which is settled as ever: a stream then ends with an error event
instead of its last one, and a whole reply is refused with NotStored. So no caller has an id that leads nowhere.
"""

import re
from collections.abc import Callable
from typing import Any

from tollhouse import logs
from tollhouse.domain.errors import NotStored
from tollhouse.wire import json_text
from tollhouse.wire.dialects import response_error_event
from tollhouse.wire.framing import event_data

Save = Callable[[dict[str, Any]], None]
"""Keeps a response for good, or raises whatever the database raises."""

COULD_NOT = (
    "The answer was made, and booked, but could not be stored, so it is not given: `store: false` needs no store."
)
_LAST_EVENT = re.compile(rb"event: response\.(?:completed|incomplete|failed)\n")
"""As our own converters write it. Nothing that is said can imitate it: an event's data has no line ends in it."""


def recorder(save: Save, *, streamed: bool) -> "StreamRecorder | WholeRecorder":
    """A tap for a reply."""
    return StreamRecorder(save) if streamed else WholeRecorder(save)


class StreamRecorder:
    """Keeps nothing of the stream but its last event, which tells the response whole."""

    def __init__(self, save: Save) -> None:
        self._save = save
        self._ended = False
        self._failed = False

    def feed(self, out: bytes) -> bytes:
        if self._failed:
            return b""
        if self._ended or not (last := _LAST_EVENT.search(out)):
            return out
        self._ended = True
        event = out[last.start() :].partition(b"\n\n")[0]
        document = json_text.read_leniently(event_data(event + b"\n\n"))
        if error := _kept(self._save, document.get("response") if isinstance(document, dict) else None):
            self._failed = True
            return out[: last.start()] + response_error_event(error, event, plus=0)
        return out

    def finish(self) -> bytes:
        return b""

    def abort(self) -> None:
        self._ended = True


class WholeRecorder:
    """Holds the document until it is kept."""

    def __init__(self, save: Save) -> None:
        self._save = save
        self._out: list[bytes] = []

    def feed(self, out: bytes) -> bytes:
        self._out.append(out)
        return b""

    def finish(self) -> bytes:
        text = b"".join(self._out)
        self._out.clear()
        if error := _kept(self._save, json_text.read_leniently(text)):
            raise error
        return text

    def abort(self) -> None:
        self._out.clear()


def _kept(save: Save, response: Any) -> NotStored | None:
    """None where the response is kept; the error is there for whoever tells it."""
    if not isinstance(response, dict) or "id" not in response:
        return None  # no response: an error, which is told as it is
    try:
        save(response)
    except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on and is settled
        logs.event("response_not_stored", level=logs.ERROR, response=response["id"], error=error)
        return NotStored(COULD_NOT)
    return None
