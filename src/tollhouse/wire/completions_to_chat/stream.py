"""A stream of chat chunks as one of completions."""

from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire import completion, json_text
from tollhouse.wire.chat import wants_usage
from tollhouse.wire.completions_to_chat.choice import ChoiceText, asked_of, head, usage_of
from tollhouse.wire.completions_to_chat.failure import BROKE_OFF, NOT_JSON, error_document
from tollhouse.wire.framing import LONGEST_EVENT, event_data
from tollhouse.wire.stream_events import chunk_complaint

_DONE = b"data: [DONE]\n\n"
_KEEP_ALIVE = b": keep-alive\n\n"


class StreamedReply:
    """Ends once: with the usage where it was asked for and `[DONE]`, when the host says that it is at its end; or
    with an error, and then without.
    """

    def __init__(self, call: Call, created: int) -> None:
        self._call = call
        self._asked = asked_of(call.body)
        self._created = created
        self._head: dict[str, Any] | None = None
        self._wants_usage = wants_usage(call.body)
        self._usage: dict[str, Any] | None = None
        self._choices: dict[int, ChoiceText] = {}
        self._ended = False

    def feed(self, frame: bytes) -> bytes:
        if self._ended:
            return b""
        data = event_data(frame)
        if not data:
            return _KEEP_ALIVE if frame.startswith(b":") else b""
        if data.startswith(b"[DONE]"):
            return self._end()
        document = completion.read(data)
        if document is None:
            return b"" if _is_cut(frame) else self._fail(None, NOT_JSON)
        wrong = None if document.get("error") else chunk_complaint(document)
        return self._fail(None, wrong) if wrong else self.take(document)

    def take(self, document: dict[str, Any]) -> bytes:
        """A chunk that is sound; `completion.DONE` for the end."""
        if self._ended:
            return b""
        if document is completion.DONE:
            return self._end()
        if error := document.get("error"):
            return self._fail(error, BROKE_OFF)
        if usage := usage_of(document.get("usage")):
            self._usage = usage
        if self._head is None:
            self._head = head(self._call, document, self._created)
        return b"".join([self._take(choice) for choice in completion.as_objects(document.get("choices"))])

    def finish(self) -> bytes:
        return b""

    def _take(self, choice: dict[str, Any]) -> bytes:
        if self._ended:
            return b""
        index = choice["index"] if type(choice.get("index")) is int else 0
        if index not in self._choices:
            self._choices[index] = ChoiceText(self._asked)
        broken_off = choice.get("finish_reason") in completion.BROKEN_OFF
        told = {**choice, "finish_reason": None} if broken_off else choice
        said = self._choices[index].take(index, told, choice.get("delta"))
        out = self._chunk([said]) if said else b""
        return out + self._fail(choice.get("error"), BROKE_OFF) if broken_off else out

    def _chunk(self, choices: list[dict[str, Any]]) -> bytes:
        usage = {"usage": None} if self._wants_usage else {}
        return _event({**(self._head or {}), "choices": choices, **usage})

    def _end(self) -> bytes:
        self._ended = True
        if not (self._wants_usage and self._usage):
            return _DONE
        return _event({**(self._head or {}), "choices": [], "usage": self._usage}) + _DONE

    def _fail(self, error: Any, otherwise: str) -> bytes:
        self._ended = True
        return _event(error_document(error, otherwise))


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + json_text.write(document) + b"\n\n"


def _is_cut(frame: bytes) -> bool:
    """Whether it is the rest of a stream rather than an event, or a piece of one that is too long to be read."""
    return len(frame) - len(frame.rstrip(b"\r\n")) < 2 and len(frame) <= LONGEST_EVENT
