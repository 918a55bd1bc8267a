"""The content blocks of a stream: one after another, each begun once, whatever order their pieces come in."""

from collections import deque
from typing import Any

from tollhouse.wire import json_text
from tollhouse.wire.messages_to_chat.block import Block
from tollhouse.wire.messages_to_chat.sealed import Sealed
from tollhouse.wire.messages_to_chat.tools import MALFORMED, input_of


def event(kind: str, fields: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"event: " + kind.encode() + b"\ndata: " + json_text.write({"type": kind, **fields}) + b"\n\n"


class Blocks:
    """Takes pieces, gives events. The first block that is not whole is sent as it comes; those after it wait.

    Text and thoughts are whole when something else follows; a tool call, whose pieces may take turns with another's,
    when its arguments are an object. Where it does not show thoughts, what of them is to come back is told before the
    first call.
    """

    def __init__(self, model: str, stem: str, *, shows: bool) -> None:
        self.called = False
        self.broken = False
        """Whether a tool call went on after its arguments were whole, which cannot be told."""
        self._model = model
        self._shows = shows
        self._stem = stem
        self._number = 0
        self._queue: deque[Block] = deque()
        self._calls: list[Block] = []
        self._by_index: dict[int, Block] = {}
        self._sealed = Sealed()

    def add_text(self, text: str) -> None:
        self._last("text").waiting += text

    def add_thought(self, text: str, origin: str) -> None:
        """`origin` is the field that the host's thoughts come by."""
        if not self._shows:
            self._sealed.hide(text, origin)
            return
        block = self._last("thinking")
        block.waiting += text
        block.origin = origin

    def add_details(self, details: Any) -> None:
        self._sealed.add_details(details)

    def add_call(self, call: dict[str, Any]) -> None:
        """A tool call or a piece of one."""
        given = call.get("function")
        function: dict[str, Any] = given if isinstance(given, dict) else {}
        name, call_id = function.get("name"), call.get("id")
        name = name if isinstance(name, str) else ""
        call_id = call_id if isinstance(call_id, str) else ""
        block = self._call(call.get("index"), call_id, name)
        block.name = block.name or name
        block.given_id = block.given_id or call_id
        if not block.begun:
            block.id = block.given_id or block.id
        if signature := call.get("extra_content"):
            self._sealed.signed_calls[block.id] = signature
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json_text.write(arguments).decode()
        if isinstance(arguments, str):
            self.broken = self.broken or (block.ended and bool(arguments.strip()))
            block.add_arguments(arguments)

    def events(self) -> bytes:
        """What can be sent by now."""
        out = []
        while self._queue:
            head = self._queue[0]
            out.append(self._send(head))
            if len(self._queue) == 1 or not head.is_whole():
                break
            out.append(self._end(head))
        return b"".join(out)

    def end(self) -> bytes:
        """All that is left: no more will come."""
        out = []
        while self._queue:
            head = self._queue[0]
            out += [self._send(head, last=True), self._end(head)]
        if self._sealed and (self._shows or self.called):
            out.append(self._redacted())
        return b"".join(out)

    def _last(self, kind: str) -> Block:
        if not self._queue or self._queue[-1].kind != kind:
            self._queue.append(Block(kind))
        return self._queue[-1]

    def _call(self, index: Any, call_id: str, name: str) -> Block:
        """The call that a piece belongs to. Some hosts leave the index out (Gemini), or give all calls the same."""
        if type(index) is int:
            known = self._by_index.get(index)
        elif call_id:
            known = next((block for block in self._calls if block.given_id == call_id), None)
        else:
            known = self._calls[-1] if self._calls and not name else None
        another = known and name and call_id and known.given_id and known.given_id != call_id
        if known and not another:
            return known
        block = Block("tool_use", id=f"toolu_{self._stem}_{len(self._calls)}")
        self.called = True
        self._calls.append(block)
        if type(index) is int:
            self._by_index[index] = block
        self._queue.append(block)
        return block

    def _send(self, block: Block, *, last: bool = False) -> bytes:
        if block.kind == "tool_use":
            return self._send_call(block, last=last)
        out = b"" if block.begun else self._begin(block)
        if block.waiting:
            kind, field = ("text_delta", "text") if block.kind == "text" else ("thinking_delta", "thinking")
            out += self._delta({"type": kind, field: block.waiting})
            block.waiting = ""
        return out

    def _send_call(self, block: Block, *, last: bool) -> bytes:
        if not (block.name or last):
            return b""
        out = b"" if block.begun else self._begin(block)
        # What does not begin as an object waits for its end: it is nothing, or no tool input.
        if not block.is_object:
            if not last:
                return out
            malformed = input_of(block.waiting)
            block.waiting = json_text.write(malformed).decode() if MALFORMED in malformed else ""
        if block.waiting:
            out += self._delta({"type": "input_json_delta", "partial_json": block.waiting})
            block.waiting = ""
        return out

    def _begin(self, block: Block) -> bytes:
        block.begun = True
        if block.kind == "text":
            return self._start({"type": "text", "text": ""})
        if block.kind == "thinking":
            return self._start({"type": "thinking", "thinking": "", "signature": ""})
        seal = self._redacted() if self._sealed else b""
        return seal + self._start({"type": "tool_use", "id": block.id, "name": block.name, "input": {}})

    def _redacted(self) -> bytes:
        """A block for what is to come back, where there is no thinking block to have it as its signature."""
        return self._start({"type": "redacted_thinking", "data": self._seal()}) + self._stop()

    def _start(self, content: dict[str, Any]) -> bytes:
        return event("content_block_start", {"index": self._number, "content_block": content})

    def _end(self, block: Block) -> bytes:
        block.ended = True
        self._queue.popleft()
        if block.kind == "thinking":
            return self._delta({"type": "signature_delta", "signature": self._seal(block.origin)}) + self._stop()
        return self._stop()

    def _stop(self) -> bytes:
        self._number += 1
        return event("content_block_stop", {"index": self._number - 1})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return event("content_block_delta", {"index": self._number, "delta": delta})

    def _seal(self, origin: str = "") -> str:
        sealed, self._sealed = self._sealed, Sealed()
        sealed.field = origin or sealed.field
        return sealed.write(self._model)
