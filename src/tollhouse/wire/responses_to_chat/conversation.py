"""The input of a request as the messages of chat."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire.responses_to_chat.assistant import AssistantTurn
from tollhouse.wire.responses_to_chat.fields import kind_of, refuse, text_of
from tollhouse.wire.responses_to_chat.losses import Dropped
from tollhouse.wire.responses_to_chat.parts import Part, content_of, is_text, parts_of, text_part

_OF_HOSTS = frozenset(
    {
        *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"),
        *("mcp_list_tools", "mcp_call", "tool_search_call", "tool_search_output"),
    }
)
"""What providers did by themselves. The model answered with it in sight, and chat cannot show it again."""


class Conversation:
    """`messages` are what has been added so far, once it is `end`ed. `model` is the client's name for it."""

    def __init__(self, model: str, dropped: Dropped) -> None:
        self.messages: list[dict[str, Any]] = []
        self._model = model
        self._dropped = dropped
        self._turn: AssistantTurn | None = None
        self._called: dict[str, str] = {}
        self._shown: list[Part] = []  # of results, and not yet told

    def add_system(self, text: str) -> None:
        self.messages.append({"role": "system", "content": text})

    def add(self, item: Mapping[str, Any], path: str) -> None:
        kind = kind_of(item, path) if item.get("type") is not None else "message"
        role = item.get("role")
        if kind == "message" and role is None:
            raise refuse(f"{path}.role", "this field is required")
        if kind == "message" and role != "assistant":
            self.end()
            self._add_message(item, role, path)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._end_turn()
            self._add_output(item, path)
        elif kind in ("message", "reasoning", "function_call", "custom_tool_call"):
            self._show()
            self._add_to_turn(kind, item, path)
        elif kind in _OF_HOSTS:
            self._dropped.note("input[]")
        elif kind == "item_reference":
            raise refuse(f"{path}.type", "this item is not stored here; send the item itself")
        else:
            raise refuse(f"{path}.type", f"this model's provider has no such items: {kind[:60]}")

    def end(self) -> None:
        self._end_turn()
        self._show()

    def _add_message(self, item: Mapping[str, Any], role: Any, path: str) -> None:
        known = ("type", "id", "role", "content", "status")
        self._dropped.note_others(item, known, "input[].")
        parts = parts_of(item.get("content"), f"{path}.content", self._dropped)
        for number, part in enumerate(parts):
            if part["type"] == "refusal" or (role != "user" and not is_text(part)):
                raise refuse(f"{path}.content[{number}].type", f"the {role} cannot say this")
        # Every host knows `system`, and those that know `developer` too take the one for the other.
        self.messages.append({"role": "user" if role == "user" else "system", "content": content_of(parts)})

    def _add_to_turn(self, kind: str, item: Mapping[str, Any], path: str) -> None:
        turn = self._turn = self._turn or AssistantTurn(self._model, self._dropped)
        if kind == "message":
            self._dropped.note_others(item, ("type", "id", "role", "content", "status"), "input[].")
            turn.say(item, path)
        elif kind == "reasoning":
            turn.think(item, path)
        else:
            call = turn.call(item, path)
            self._called[call["id"]] = item["name"]

    def _add_output(self, item: Mapping[str, Any], path: str) -> None:
        """Chat's results are text. Images and files of theirs are told by the user, after all results, by name."""
        call_id = text_of(item, "call_id", path)
        if call_id not in self._called:
            raise refuse(f"{path}.call_id", "no call before it has this id")
        known = ("type", "id", "call_id", "output", "status", "name", "caller", "cache_control")
        self._dropped.note_others(item, known, "input[].")
        parts = parts_of(item.get("output"), f"{path}.output", self._dropped)
        told = [part for part in parts if is_text(part)]
        shown = [part for part in parts if not is_text(part)]
        if any(part["type"] == "refusal" for part in shown):
            raise refuse(f"{path}.output", "a tool does not refuse")
        if shown:
            self._shown += [text_part(f"Part of the result of the call {self._called[call_id]} ({call_id}):"), *shown]
            told = told or [text_part("The result is shown in the next message.")]
        message = {"role": "tool", "tool_call_id": call_id, "content": content_of(told)}
        if mark := item.get("cache_control"):
            message["cache_control"] = mark
        self.messages.append(message)

    def _end_turn(self) -> None:
        if self._turn and (message := self._turn.message()):
            self.messages.append(message)
        self._turn = None

    def _show(self) -> None:
        if self._shown:
            self.messages.append({"role": "user", "content": self._shown})
            self._shown = []
