"""Content blocks of a streamed Message, each as the deltas of a completion that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tollhouse.wire.chat_to_messages.completion import annotation, arguments, signed, text

Delta = dict[str, Any]


@dataclass(slots=True)
class Said:
    """What the blocks so far came to."""

    legacy: bool
    length: int = 0
    calls: int = 0
    thoughts: int = 0
    annotations: list[dict[str, Any]] = field(default_factory=list)


class UnknownBlock:
    """A block that has no place in a completion, such as the host's own tools and their results."""

    def start(self, block: Mapping[str, Any]) -> Delta:
        return {}

    def take(self, delta: Mapping[str, Any]) -> Delta:
        return {}

    def stop(self) -> Delta:
        return {}


class TextBlock(UnknownBlock):
    def __init__(self, said: Said) -> None:
        self._said = said
        self._start = said.length
        self._citations: list[Any] = []

    def start(self, block: Mapping[str, Any]) -> Delta:
        citations = block.get("citations")
        self._citations += citations if isinstance(citations, list) else []
        return self.take(block)

    def take(self, delta: Mapping[str, Any]) -> Delta:
        if delta.get("type") == "citations_delta":
            self._citations.append(delta.get("citation"))
        piece = text(delta, "text")
        self._said.length += len(piece)
        return {"content": piece} if piece else {}

    def stop(self) -> Delta:
        for citation in self._citations:
            if cited := annotation(citation, self._start, self._said.length):
                self._said.annotations.append(cited)
        return {}


class ThinkingBlock(UnknownBlock):
    """The thought as it comes, and once more, whole and signed, when it is complete.

    Numbered, because SDKs put the entries of lists together by their `index`.
    """

    def __init__(self, said: Said) -> None:
        self._said = said
        self._block: dict[str, Any] = {}
        self._pieces: list[str] = []
        self._signature: list[str] = []

    def start(self, block: Mapping[str, Any]) -> Delta:
        self._block = dict(block)
        return self.take(block)

    def take(self, delta: Mapping[str, Any]) -> Delta:
        self._signature.append(text(delta, "signature"))
        piece = text(delta, "thinking")
        self._pieces.append(piece)
        return {"reasoning_content": piece} if piece else {}

    def stop(self) -> Delta:
        thought = {**self._block, "thinking": "".join(self._pieces), "signature": "".join(self._signature)}
        entry = {"index": self._said.thoughts, **signed(thought)}
        self._said.thoughts += 1
        return {"thinking_blocks": [entry]}


class ToolBlock(UnknownBlock):
    """Its name and id first, then its input in the pieces that come, well-formed or not."""

    def __init__(self, said: Said) -> None:
        self._legacy = said.legacy
        self._index = said.calls
        self._input: Any = None
        self._came = False
        said.calls += 1

    def start(self, block: Mapping[str, Any]) -> Delta:
        self._input = block.get("input")
        function = {"name": text(block, "name"), "arguments": ""}
        return self._delta(function, {"id": text(block, "id"), "type": "function"})

    def take(self, delta: Mapping[str, Any]) -> Delta:
        piece = text(delta, "partial_json")
        if not piece:
            return {}
        self._came = True
        return self._delta({"arguments": piece}, {})

    def stop(self) -> Delta:
        """Hosts that stream no input told it at the start; an empty one is told by nobody else."""
        return {} if self._came else self._delta({"arguments": arguments(self._input)}, {})

    def _delta(self, function: dict[str, Any], identity: dict[str, Any]) -> Delta:
        if not self._legacy:
            return {"tool_calls": [{"index": self._index, **identity, "function": function}]}
        return {} if self._index else {"function_call": function}


KINDS = {
    "text": TextBlock,
    "thinking": ThinkingBlock,
    "redacted_thinking": ThinkingBlock,
    "tool_use": ToolBlock,
}
