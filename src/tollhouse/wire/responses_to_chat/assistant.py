"""Items that follow each other and are all the model's, as the one message that they are in chat."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire.responses_to_chat.fields import objects_of, refuse, text_of
from tollhouse.wire.responses_to_chat.losses import Dropped, says_nothing
from tollhouse.wire.responses_to_chat.parts import Part, content_of, is_text, parts_of
from tollhouse.wire.responses_to_chat.sealed import CONTENT, Sealed, unseal

_CALL = ("type", "id", "call_id", "name", "status", "caller", "cache_control")


class AssistantTurn:
    """Takes the items in order. `model` is the client's name for the model."""

    def __init__(self, model: str, dropped: Dropped) -> None:
        self.calls: list[dict[str, Any]] = []
        self._model = model
        self._dropped = dropped
        self._texts: list[str | list[Part]] = []
        self._refusals: list[str] = []
        self._thoughts: dict[str, str] = {}
        self._thought_parts: list[Part] = []
        self._sealed = Sealed()

    def say(self, item: Mapping[str, Any], path: str) -> None:
        parts = parts_of(item.get("content"), f"{path}.content", self._dropped)
        self._refusals += [part["refusal"] for part in parts if part["type"] == "refusal"]
        said = [part for part in parts if part["type"] != "refusal"]
        for number, part in enumerate(parts):
            if not is_text(part) and part["type"] != "refusal":
                raise refuse(f"{path}.content[{number}].type", "the assistant says text alone")
        if said:
            # What a model said in one message is one text, however its citations cut it into parts.
            self._texts.append(content_of(said, joint=""))

    def call(self, item: Mapping[str, Any], path: str) -> dict[str, Any]:
        call: dict[str, Any] = {"id": text_of(item, "call_id", path)}
        name = text_of(item, "name", path)
        if item["type"] == "function_call":
            # As they are, well-formed or not.
            arguments = text_of(item, "arguments", path)
            call |= {"type": "function", "function": {"name": name, "arguments": arguments}}
        else:
            call |= {"type": "custom", "custom": {"name": name, "input": text_of(item, "input", path)}}
        self._dropped.note_others(item, (*_CALL, "arguments", "input"), "input[].")
        if mark := item.get("cache_control"):
            call["cache_control"] = mark
        self.calls.append(call)
        return call

    def think(self, item: Mapping[str, Any], path: str) -> None:
        known = ("type", "id", "status", "summary", "content", "encrypted_content")
        self._dropped.note_others(item, known, "input[].")
        texts = objects_of(item.get("content") or [], f"{path}.content")
        text = "".join(text_of(part, "text", f"{path}.content[{number}]") for number, part in enumerate(texts))
        sealed = unseal(item.get("encrypted_content"), self._model)
        if sealed is None:
            for name in ("encrypted_content", "content", "summary"):
                if not says_nothing(item.get(name)):
                    self._dropped.note(f"input[].{name}")
            return
        # What came late is in an item of its own, and joined again.
        self._sealed.take({"reasoning_details": sealed.details, "thinking_blocks": sealed.blocks})
        self._sealed.calls |= sealed.calls
        text = sealed.text or text
        if sealed.field == CONTENT and text:
            self._thought_parts.append({"type": "thinking", "thinking": [{"type": "text", "text": text}]})
        elif sealed.field and text:
            self._thoughts[sealed.field] = self._thoughts.get(sealed.field, "") + text

    def message(self) -> dict[str, Any] | None:
        """None where nothing is left to say."""
        said: list[Part] = [*self._thought_parts]
        for text in self._texts:
            said += [{"type": "text", "text": text}] if isinstance(text, str) else text
        content = content_of(said) if said else None
        message: dict[str, Any] = {"role": "assistant", "content": content, **self._thoughts}
        if self._refusals:
            message["refusal"] = "\n".join(self._refusals)
        if self._sealed.details:
            message["reasoning_details"] = self._sealed.details
        if self._sealed.blocks:
            message["thinking_blocks"] = self._sealed.blocks
        if self.calls:
            message["tool_calls"] = [self._signed(call) for call in self.calls]
        return message if len(message) > 2 or content is not None else None

    def _signed(self, call: dict[str, Any]) -> dict[str, Any]:
        signature = self._sealed.calls.get(call["id"])
        return {**call, "extra_content": signature} if signature else call
