"""A stream of chat chunks as Anthropic's events."""

from typing import Any

from tollhouse.domain.call import Call
from tollhouse.domain.usage import Usage
from tollhouse.wire import completion
from tollhouse.wire.framing import LONGEST_EVENT, event_data
from tollhouse.wire.messages_to_chat import answer
from tollhouse.wire.messages_to_chat.blocks import Blocks, event
from tollhouse.wire.messages_to_chat.failure import BROKE_OFF, NO_ANSWER, NOT_JSON, failure
from tollhouse.wire.messages_to_chat.sealed import shows_thoughts
from tollhouse.wire.stream_events import chunk_complaint
from tollhouse.wire.vocabulary import openai_usage

_PING = b'event: ping\ndata: {"type":"ping"}\n\n'


class StreamedReply:
    """The end is told when the host has told it: usage comes after the reason of the end, and [DONE] after both.

    A stream that was cut is not ended here, and one that failed says no more than that.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._shows_thoughts = shows_thoughts(call.body)
        self._stop_sequences = call.body.get("stop_sequences") or ()
        self._blocks: Blocks | None = None
        self._ended = False
        self._refused = False
        self._choice: dict[str, Any] = {}  # what it said of its end
        self._usage = Usage()

    def feed(self, frame: bytes) -> bytes:
        if self._ended:
            return b""
        data = event_data(frame)
        if not data:
            # A comment keeps a quiet connection open; Anthropic has an event for that.
            return _PING if self._blocks and frame.startswith(b":") else b""
        if data.startswith(b"[DONE]"):
            return self._done()
        chunk = completion.read(data)
        if chunk is None:
            # Of an event that was cut off nothing is told here: the stream's end tells it.
            return b"" if _is_cut(frame) else self._fail(NOT_JSON)
        if error := chunk.get("error") or chunk_complaint(chunk):
            return self._fail(error)
        if isinstance(usage := chunk.get("usage"), dict) and (told := openai_usage(usage)).prompt:
            self._usage = told
        choice = completion.first_choice(chunk)
        return self._read(chunk, choice) if choice else b""

    def finish(self) -> bytes:
        return b""

    def _read(self, chunk: dict[str, Any], choice: dict[str, Any]) -> bytes:
        out = b""
        blocks = self._blocks
        if blocks is None:
            stem = answer.stem_of(chunk, self._call.request_id)
            blocks = self._blocks = Blocks(self._call.facts.model, stem, shows=self._shows_thoughts)
            out = self._start(chunk, stem)
        if reason := choice.get("finish_reason"):
            if reason in completion.BROKEN_OFF:
                return out + self._fail(BROKE_OFF)
            self._choice = choice
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return out
        if details := delta.get("reasoning_details"):
            blocks.add_details(details)
        for kind, text in answer.pieces(delta):
            if kind in ("text", "refusal"):
                self._refused = self._refused or kind == "refusal"
                blocks.add_text(text)
            else:
                blocks.add_thought(text, kind)
        for call in completion.as_objects(delta.get("tool_calls")):
            blocks.add_call(call)
        if blocks.broken:
            return out + self._fail("The provider went on with a tool call that had ended.")
        return out + blocks.events()

    def _start(self, chunk: dict[str, Any], stem: str) -> bytes:
        message: dict[str, Any] = {
            "id": f"msg_{stem}",
            "type": "message",
            "role": "assistant",
            "model": self._call.facts.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": answer.usage_of(self._usage) | answer.tier_of(chunk),
        }
        return event("message_start", {"message": message})

    def _done(self) -> bytes:
        blocks = self._blocks
        if blocks is None:
            return self._fail(NO_ANSWER)
        self._ended = True
        rest = blocks.end()
        ending = answer.ending(self._choice, self._stop_sequences, called=blocks.called, refused=self._refused)
        last = event("message_delta", {"delta": ending, "usage": answer.usage_of(self._usage)})
        return rest + last + event("message_stop", {})

    def _fail(self, error: Any) -> bytes:
        self._ended = True
        return b"event: error\ndata: " + failure(error, self._call.request_id) + b"\n\n"


def _is_cut(frame: bytes) -> bool:
    """Whether it is the rest of a stream rather than an event, or a piece of one that is too long to be read."""
    return len(frame) - len(frame.rstrip(b"\r\n")) < 2 and len(frame) <= LONGEST_EVENT
