"""What a chat host says, as output items: from one message or from the deltas of a stream, the same."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire import completion
from tollhouse.wire.responses_to_chat import chunk
from tollhouse.wire.responses_to_chat.calls import Calls
from tollhouse.wire.responses_to_chat.items import Events, FunctionCall, Message, Reasoning
from tollhouse.wire.responses_to_chat.sealed import Sealed

_SAID = ("output_text", "refusal")


class Output:
    """Takes messages or deltas, gives events. Thoughts and text are of one item until something else follows; calls,
    whose pieces may take turns, are open until the end.

    `model` is the client's name for it, `stem` what the ids of items are made of.
    """

    def __init__(self, model: str, stem: str, events: Events) -> None:
        self._model = model
        self._stem = stem
        self._events = events
        self._items: list[Message | Reasoning | FunctionCall] = []
        self._speaking: Message | Reasoning | None = None
        self._calls = Calls(stem)
        self._sealed = Sealed()

    def add(self, said: Mapping[str, Any], logprobs: list[dict[str, Any]]) -> bytes:
        out = []
        if said.get("reasoning_details") or said.get("thinking_blocks"):
            self._sealed.take(said)
        for kind, text in chunk.pieces(said):
            if kind == "output_text":
                out.append(self._say(kind, text, logprobs))
                logprobs = []
            else:
                out.append(self._think(kind, text))
        if said.get("annotations") and isinstance(self._speaking, Message):
            out += [self._speaking.annotate(annotation) for annotation in chunk.annotations_of(said)]
        if said.get("refusal") and (refusal := chunk.refusal_of(said)):
            out.append(self._say("refusal", refusal, []))
        if said.get("tool_calls") and (calls := completion.as_objects(said["tool_calls"])):
            out.append(self._call(calls))
        return out[0] if len(out) == 1 else b"".join(out)

    def end(self, *, incomplete: bool) -> bytes:
        """The end of all items; what was cut off is the last of them."""
        out = [self._begin_calls(last=True)]
        last = self._items[-1] if self._items else None
        if self._speaking:
            out.append(self._stop("incomplete" if incomplete and last is self._speaking else "completed"))
        calls = [item for item in self._items if isinstance(item, FunctionCall)]
        out += [call.end("incomplete" if incomplete and call is last else "completed") for call in calls]
        out.append(self._tell_sealed())
        return b"".join(out)

    def documents(self) -> list[dict[str, Any]]:
        """The items as they are. Of a reply that failed, those that are on their way stay incomplete."""
        for item in self._items:
            if item.status == "in_progress":
                item.status = "incomplete"
        return [item.document() for item in self._items]

    def _say(self, kind: str, text: str, logprobs: list[dict[str, Any]]) -> bytes:
        speaking, out = self._speaking, b""
        if not isinstance(speaking, Message):
            out = self._stop("completed")
            speaking = Message(self._events, len(self._items), self._id("msg"))
            self._speaking = speaking
            self._items.append(speaking)
            out += speaking.begin()
        return out + speaking.add(kind, text, logprobs)

    def _think(self, field: str, text: str) -> bytes:
        speaking, out = self._speaking, b""
        if not isinstance(speaking, Reasoning):
            out = self._stop("completed")
            speaking = self._new_reasoning()
            self._speaking = speaking
            out += speaking.begin()
        self._sealed.field = field
        self._sealed.pieces.append(text)
        return out + speaking.add("reasoning_text", text, [])

    def _stop(self, status: str) -> bytes:
        """The end of what is being said or thought."""
        speaking, self._speaking = self._speaking, None
        if isinstance(speaking, Reasoning):
            self._seal(speaking)
        return speaking.end(status) if speaking else b""

    def _call(self, calls: list[dict[str, Any]]) -> bytes:
        for call in calls:
            known = self._calls.take(call)
            if signature := call.get("extra_content"):
                self._sealed.calls[known.call_id] = signature
        return self._begin_calls() + b"".join([known.tell() for known in self._calls.begun])

    def _begin_calls(self, *, last: bool = False) -> bytes:
        out = []
        for call in self._calls.to_begin(last=last):
            out += [self._stop("completed"), self._tell_sealed()]
            item = FunctionCall(self._events, len(self._items), self._stem, call.call_id, call.name, custom=call.custom)
            self._items.append(item)
            out += [item.begin(), call.begin(item)]
        return b"".join(out)

    def _tell_sealed(self) -> bytes:
        """An item for what is to come back, where no thoughts are told that it could be with."""
        if not self._sealed:
            return b""
        item = self._new_reasoning()
        begun = item.begin()
        self._seal(item)
        return begun + item.end("completed")

    def _new_reasoning(self) -> Reasoning:
        item = Reasoning(self._events, len(self._items), self._id("rs"))
        self._items.append(item)
        return item

    def _seal(self, item: Reasoning) -> None:
        sealed, self._sealed = self._sealed, Sealed()
        item.sealed = sealed.write(self._model)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self._stem}_{len(self._items)}"
