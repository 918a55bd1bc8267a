"""The turns of a conversation as chat has them."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire.messages_to_chat.assistant import AssistantTurn
from tollhouse.wire.messages_to_chat.content import READABLE, Part, content_of, marked, note, others, parts_of, texts
from tollhouse.wire.messages_to_chat.fields import as_blocks, refuse, text_at
from tollhouse.wire.messages_to_chat.losses import Dropped


class Conversation:
    """`messages` are what has been added so far. `model` is the client's name for it."""

    def __init__(self, model: str, dropped: Dropped) -> None:
        self.messages: list[dict[str, Any]] = []
        self._model = model
        self._dropped = dropped
        self._called: dict[str, str] = {}
        self._unanswered: dict[str, str] = {}  # of the last turn's calls: id -> path

    def add_system(self, content: Any, path: str) -> None:
        parts: list[Part] = []
        for number, block in enumerate(as_blocks(content, path)):
            if block["type"] != "text":
                raise refuse(f"{path}[{number}].type", "a system prompt has blocks of text alone")
            parts += parts_of(block, f"{path}[{number}]", self._dropped)
        if parts:
            self.messages.append({"role": "system", "content": content_of(parts)})

    def add(self, message: Mapping[str, Any], path: str) -> None:
        role, content = message["role"], message["content"]
        unanswered, self._unanswered = self._unanswered, {}
        if role == "system":
            self.add_system(content, f"{path}.content")
        elif isinstance(content, str):
            self.messages.append({"role": role, "content": content})
        elif role == "user":
            self._add_user(as_blocks(content, f"{path}.content"), f"{path}.content", unanswered)
        else:
            self._add_assistant(as_blocks(content, f"{path}.content"), f"{path}.content")
        for place in unanswered.values():
            raise refuse(place, "the message right after it has no result of this call")

    def _add_user(self, blocks: list[dict[str, Any]], path: str, unanswered: dict[str, str]) -> None:
        """Tool results are messages of their own, and come first: chat wants them right after the calls."""
        shown: list[Part] = []
        said: list[Part] = []
        for number, block in enumerate(blocks):
            here = f"{path}[{number}]"
            if block["type"] == "tool_result":
                shown += self._add_result(block, here)
                unanswered.pop(block["tool_use_id"], None)
            elif block["type"] in READABLE:
                said += parts_of(block, here, self._dropped)
            else:
                raise refuse(f"{here}.type", f"this model's provider has no such content: {block['type'][:60]}")
        parts = [*shown, *said]
        if parts or not blocks:
            self.messages.append({"role": "user", "content": content_of(parts)})

    def _add_result(self, block: Mapping[str, Any], path: str) -> list[Part]:
        """The message of a tool's result. Its images and files are returned: they go into the user's turn, by name."""
        call_id = text_at(block, "tool_use_id", path)
        if call_id not in self._called:
            raise refuse(f"{path}.tool_use_id", "no tool_use before it has this id")
        parts: list[Part] = []
        for number, inner in enumerate(as_blocks(block.get("content") or [], f"{path}.content")):
            here = f"{path}.content[{number}]"
            if inner["type"] not in READABLE:
                raise refuse(f"{here}.type", "this model's provider has no such content in a tool's result")
            parts += parts_of(inner, here, self._dropped)
        shown, told = others(parts), texts(parts)
        call = f"{self._called[call_id]} ({call_id})"
        if shown and not told:
            told = [note("The result is shown in the next message.")]
        if block.get("is_error") is True:
            told = [note("The tool failed."), *told]
            self._dropped.add("messages[].content[].is_error")
        content = content_of(marked(told, block) if not shown else told)
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})
        return marked([note(f"Part of the result of the tool call {call}:"), *shown], block) if shown else []

    def _add_assistant(self, blocks: list[dict[str, Any]], path: str) -> None:
        turn = AssistantTurn(self._model, self._dropped)
        for number, block in enumerate(blocks):
            turn.add(block, f"{path}[{number}]")
            if block["type"] == "tool_use":
                self._unanswered[block["id"]] = f"{path}[{number}].id"
        for call in turn.calls:
            self._called[call["id"]] = call["function"]["name"]
        self.messages.append(turn.message())
