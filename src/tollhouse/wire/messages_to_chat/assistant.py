"""A turn of the assistant as one chat message."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire import json_text
from tollhouse.wire.messages_to_chat.content import Part, content_of, parts_of
from tollhouse.wire.messages_to_chat.fields import object_at, refuse, text_at
from tollhouse.wire.messages_to_chat.losses import Dropped
from tollhouse.wire.messages_to_chat.sealed import CONTENT, unseal


class AssistantTurn:
    """Takes the blocks in order. `model` is the client's name for the model."""

    def __init__(self, model: str, dropped: Dropped) -> None:
        self.calls: list[dict[str, Any]] = []
        self._model = model
        self._dropped = dropped
        self._said: list[Part] = []
        self._thoughts: dict[str, str] = {}
        self._details: list[dict[str, Any]] = []
        self._signatures: dict[str, Any] = {}

    def add(self, block: Mapping[str, Any], path: str) -> None:
        kind = block["type"]
        if kind == "text":
            self._said += parts_of(block, path, self._dropped)
        elif kind == "tool_use":
            self.calls.append(_call(block, path))
        elif kind in ("thinking", "redacted_thinking"):
            self._add_thoughts(block, kind, path)
        elif kind.endswith("_tool_result") or kind in ("server_tool_use", "mcp_tool_use"):
            self._dropped.add("messages[].content[].server_tool_use")
        else:
            raise refuse(f"{path}.type", f"this model's provider has no such content: {kind[:60]}")

    def message(self) -> dict[str, Any]:
        # What a model said is one text, however its citations cut it into blocks.
        content = content_of(self._said, joint="") if self._said else None if self.calls else ""
        message: dict[str, Any] = {"role": "assistant", "content": content, **self._thoughts}
        if self._details:
            message["reasoning_details"] = self._details
        if self.calls:
            message["tool_calls"] = [
                {**call, "extra_content": signature} if (signature := self._signatures.get(call["id"])) else call
                for call in self.calls
            ]
        return message

    def _add_thoughts(self, block: Mapping[str, Any], kind: str, path: str) -> None:
        sealed = unseal(block.get("signature" if kind == "thinking" else "data"), self._model)
        if sealed is None:
            self._dropped.add(f"messages[].content[].{kind}")
            return
        self._details += sealed.details
        self._signatures |= sealed.signed_calls
        text = sealed.text if kind == "redacted_thinking" else text_at(block, "thinking", path)
        if not sealed.field or (kind == "redacted_thinking" and not text):
            return
        if sealed.field == CONTENT:
            self._said.append({"type": "thinking", "thinking": [{"type": "text", "text": text}]})
        else:
            self._thoughts[sealed.field] = self._thoughts.get(sealed.field, "") + text


def _call(block: Mapping[str, Any], path: str) -> dict[str, Any]:
    arguments = json_text.write(object_at(block, "input", path)).decode()
    function = {"name": text_at(block, "name", path), "arguments": arguments}
    call: dict[str, Any] = {"id": text_at(block, "id", path), "type": "function", "function": function}
    if mark := block.get("cache_control"):
        call["cache_control"] = mark
    return call
