"""Events of a Message as chunks of a chat completion."""

from collections.abc import Callable, Mapping
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire import completion, json_text
from tollhouse.wire.chat import wants_usage
from tollhouse.wire.chat_to_messages.blocks import KINDS, Said, UnknownBlock
from tollhouse.wire.chat_to_messages.completion import explanation, finish_reason, head, text, usage_of
from tollhouse.wire.chat_to_messages.tools import is_legacy
from tollhouse.wire.framing import event_data
from tollhouse.wire.host_error import read_host_error
from tollhouse.wire.stream_events import complaint, message_event

Document = dict[str, Any]

_DONE = b"data: [DONE]\n\n"
_CHUNK = "chat.completion.chunk"
_BLOCK_OF_DELTA = {"text_delta": "text", "thinking_delta": "thinking"}


class StreamedReply:
    """Ends once: with the reason, the usage where it was asked for, and `[DONE]`, when the host said that it is at
    its end; or with an error, and then without. After a cut there is no end: the gateway tells of that.
    """

    def __init__(self, call: Call, created: int) -> None:
        self._call = call
        self._created = created
        self._head = head(call, created, {}, _CHUNK)
        self._wants_usage = wants_usage(call.body)
        self._said = Said(is_legacy(call.body))
        self._open: dict[int, UnknownBlock] = {}
        self._usage: dict[str, Any] = {}
        self._ending: dict[str, Any] = {}
        self._begun = self._ended = False
        self._takers: dict[Any, Callable[[dict[str, Any]], list[Document]]] = {
            "message_start": self._start,
            "content_block_start": self._start_block,
            "content_block_delta": self._take,
            "content_block_stop": self._stop_block,
            "message_delta": self._note_ending,
            "message_stop": self._stop,
            "error": self._fail,
        }

    def feed(self, frame: bytes) -> bytes:
        return b"".join([_DONE if chunk is completion.DONE else _event(chunk) for chunk in self.documents(frame)])

    def documents(self, frame: bytes) -> list[Document]:
        """The chunks that this event becomes, the last of all `completion.DONE`."""
        data = event_data(frame)
        if self._ended or not data:
            return []
        event = json_text.read_leniently(data)
        if not isinstance(event, dict):
            return self._fail(_broken("The provider sent an event that is not JSON."))
        if wrong := message_event(event):
            return self._fail(_broken(complaint(wrong)))
        kind = event.get("type")
        take = self._takers.get(kind) if isinstance(kind, str) else None
        return take(event) if take else []

    def finish(self) -> bytes:
        return b""

    def _start(self, event: dict[str, Any]) -> list[Document]:
        message = _object(event, "message")
        self._head = head(self._call, self._created, message, _CHUNK)
        self._note_usage(message)
        return self._chunk({})

    def _start_block(self, event: dict[str, Any]) -> list[Document]:
        return self._chunk(self._begin(_index(event), _object(event, "content_block")))

    def _begin(self, index: int, started: Mapping[str, Any]) -> dict[str, Any]:
        kind = KINDS.get(text(started, "type"))
        block = kind(self._said) if kind else UnknownBlock()
        self._open[index] = block
        return block.start(started)

    def _take(self, event: dict[str, Any]) -> list[Document]:
        index, delta = _index(event), _object(event, "delta")
        if index not in self._open:
            # Some hosts do not say that a block begins.
            self._begin(index, {"type": _BLOCK_OF_DELTA.get(text(delta, "type"))})
        return self._chunk(self._open[index].take(delta))

    def _stop_block(self, event: dict[str, Any]) -> list[Document]:
        block = self._open.pop(_index(event), None)
        return self._chunk(block.stop()) if block else []

    def _note_ending(self, event: dict[str, Any]) -> list[Document]:
        self._ending |= {name: value for name, value in _object(event, "delta").items() if value is not None}
        self._note_usage(event)
        return []

    def _note_usage(self, part: Mapping[str, Any]) -> None:
        """Counts are cumulative; one that is left out, or nothing, stands as it was."""
        for name, value in _object(part, "usage").items():
            if value or name not in self._usage:
                self._usage[name] = value

    def _stop(self, _: dict[str, Any]) -> list[Document]:
        out = [chunk for block in self._open.values() for chunk in self._chunk(block.stop())]
        rest: dict[str, Any] = {}
        if refusal := explanation(self._ending.get("stop_details")):
            rest["refusal"] = refusal
        if self._said.annotations:
            rest["annotations"] = self._said.annotations
        out += self._chunk(rest)
        stop_reason = self._ending.get("stop_reason")
        reason = finish_reason(stop_reason, calls=self._said.calls, legacy=self._said.legacy)
        out += self._chunk({}, reason)
        if self._wants_usage:
            out.append({**self._head, "choices": [], "usage": usage_of(self._usage)})
        self._ended = True
        return [*out, completion.DONE]

    def _fail(self, event: dict[str, Any]) -> list[Document]:
        self._ended = True
        return [{"error": read_host_error(event).as_openai("The provider failed.")}]

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> list[Document]:
        """One chunk, the role before the first; none for nothing."""
        if not self._begun:
            self._begun = True
            return self._chunk({"role": "assistant", "content": ""}) + self._chunk(delta, reason)
        if not delta and reason is None:
            return []
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._head, "choices": [choice]}
        if self._wants_usage:
            chunk["usage"] = None
        return [chunk]


def _broken(message: str) -> dict[str, Any]:
    return {"error": {"type": "api_error", "message": message}}


def _object(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def _index(event: Mapping[str, Any]) -> int:
    value = event.get("index")
    return value if isinstance(value, int) else -1


def _event(document: Mapping[str, Any]) -> bytes:
    return b"data: " + json_text.write(document) + b"\n\n"
