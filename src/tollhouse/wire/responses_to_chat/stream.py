"""A stream of chat chunks as the events of a Response."""

from typing import Any

from tollhouse.domain.call import Call
from tollhouse.domain.usage import Usage
from tollhouse.wire import completion
from tollhouse.wire.framing import LONGEST_EVENT, event_data
from tollhouse.wire.responses_to_chat import chunk
from tollhouse.wire.responses_to_chat.failure import BROKE_OFF, NO_ANSWER, NOT_JSON, error_of
from tollhouse.wire.responses_to_chat.items import Events
from tollhouse.wire.responses_to_chat.output import Output
from tollhouse.wire.responses_to_chat.response import ResponseObject
from tollhouse.wire.stream_events import chunk_complaint
from tollhouse.wire.vocabulary import openai_usage

_KEEP_ALIVE = b": keep-alive\n\n"


class StreamedReply:
    """The end is told when the host has told it: usage comes after the reason of the end, and [DONE] after both.

    A stream that was cut is not ended here, and one that failed says no more than that.
    """

    def __init__(self, call: Call) -> None:
        self._events = Events()
        self._response = ResponseObject(call)
        self._output = Output(call.facts.model, self._response.stem, self._events)
        self._begun = False
        self._answered = False
        self._ended = False
        self._reason: Any = None
        self._usage: Usage | None = None

    def feed(self, frame: bytes) -> bytes:
        if self._ended:
            return b""
        data = event_data(frame)
        if not data:
            return _KEEP_ALIVE if self._begun and frame.startswith(b":") else b""
        if data.startswith(b"[DONE]"):
            return self._end()
        document = completion.read(data)
        if document is None:
            # Of an event that was cut off nothing is told here: the stream's end tells it.
            return b"" if _is_cut(frame) else self._fail(NOT_JSON)
        wrong = None if document.get("error") else chunk_complaint(document)
        return self._fail(wrong) if wrong else self.take(document)

    def take(self, document: dict[str, Any]) -> bytes:
        """A chunk that is sound; `completion.DONE` for the end."""
        if self._ended:
            return b""
        if document is completion.DONE:
            return self._end()
        if document.get("error"):
            return self._fail(document["error"])
        self._response.note(document)
        if isinstance(usage := document.get("usage"), dict) and (told := openai_usage(usage)).prompt:
            self._usage = told
        choice = completion.first_choice(document)
        return self._begin() + self._read(choice) if choice else b""

    def finish(self) -> bytes:
        return b""

    def _read(self, choice: dict[str, Any]) -> bytes:
        self._answered = True
        delta = choice.get("delta")
        out = b""
        if isinstance(delta, dict):
            out = self._output.add(delta, chunk.logprobs_of(choice) if choice.get("logprobs") else [])
        if reason := choice.get("finish_reason"):
            self._reason = reason
            if reason in completion.BROKEN_OFF:
                out += self._fail(choice.get("error") or BROKE_OFF)
        return out

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        told = {"response": self._response.begun()}
        return self._events.write("response.created", told) + self._events.write("response.in_progress", told)

    def _end(self) -> bytes:
        if not self._answered:
            return self._fail(NO_ANSWER)
        self._ended = True
        incomplete = chunk.incomplete_reason(self._reason)
        rest = self._output.end(incomplete=incomplete is not None)
        response = self._response.ended(self._output.documents(), self._usage, incomplete)
        return rest + self._events.write(f"response.{response['status']}", {"response": response})

    def _fail(self, error: Any) -> bytes:
        self._ended = True
        begun = self._begin()
        response = self._response.failed(self._output.documents(), self._usage, error_of(error))
        return begun + self._events.write("response.failed", {"response": response})


def _is_cut(frame: bytes) -> bool:
    """Whether it is the rest of a stream rather than an event, or a piece of one that is too long to be read."""
    return len(frame) - len(frame.rstrip(b"\r\n")) < 2 and len(frame) <= LONGEST_EVENT
