"""Chat messages as system blocks and turns, one after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.wire.chat_to_messages.losses import Dropped, says_nothing
from tollhouse.wire.chat_to_messages.parts import (
    SAID,
    SHOWN,
    TEXT_ONLY,
    Block,
    blocks_of,
    invalid,
    items_of,
    mark_last,
    mark_of,
)
from tollhouse.wire.chat_to_messages.tools import call_block, tool_id, tool_use

_MARKS = ("cache_control", "prompt_cache_breakpoint")
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
_KNOWN = {
    "system": ("role", "content", *_MARKS),
    "user": ("role", "content", *_MARKS),
    # Annotations and what an SDK parsed come from a reply, and no host reads them.
    "assistant": (
        *("role", "content", "refusal", "audio", "tool_calls", "function_call", "thinking_blocks"),
        *(*_MARKS, *_THOUGHTS, "annotations", "parsed"),
    ),
    "tool": ("role", "content", "tool_call_id", "name", *_MARKS),
    "function": ("role", "content", "name", *_MARKS),
}


class Turns:
    """What becomes of the messages.

    Messages of one role that follow each other share a turn, and tool results are the user's; in a turn they go
    first, as hosts want them. System messages all go to the front, in their order: there is where every host and
    model takes them. What is lost is noted in `dropped`.
    """

    def __init__(self, messages: Sequence[Mapping[str, Any]], dropped: Dropped) -> None:
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self._dropped = dropped
        self._called: dict[str, str] = {}  # of the last turn that called: id -> name
        self._unanswered: dict[str, str] = {}  # of these: id -> path
        self._functions = 0
        for index, message in enumerate(messages):
            self._add(message, f"messages[{index}]")
        if not self.turns:
            self._turn_system_into_user()
        if self.turns[-1]["role"] == "user":
            self._refuse_unanswered()

    def _add(self, message: Mapping[str, Any], path: str) -> None:
        role = message["role"]
        self._dropped.note_unknown(message, _KNOWN.get(role, _KNOWN["system"]), "messages[].")
        if role == "user":
            if message.get("content") is None:
                raise invalid(f"{path}.content", "this field is required")
            self._extend("user", self._blocks(message, path, SHOWN))
        elif role == "assistant":
            self._add_assistant(message, path)
        elif role in ("tool", "function"):
            self._add_result(message, path)
        else:
            if self.turns:
                self._dropped.note("messages[].role")
            self.system += self._blocks(message, path, TEXT_ONLY)

    def _blocks(self, message: Mapping[str, Any], path: str, kinds: frozenset[str]) -> list[Block]:
        blocks = blocks_of(message.get("content"), f"{path}.content", kinds, self._dropped)
        mark_last(blocks, mark_of(message, path, self._dropped))
        return blocks

    def _add_assistant(self, message: Mapping[str, Any], path: str) -> None:
        if message.get("audio"):
            raise invalid(f"{path}.audio", "the provider of this model has no audio of earlier replies")
        blocks = self._thoughts(message)
        blocks += blocks_of(message.get("content"), f"{path}.content", SAID, self._dropped)
        blocks += blocks_of(message.get("refusal"), f"{path}.refusal", SAID, self._dropped)
        calls = [
            tool_use(call, f"{path}.tool_calls[{index}]", self._dropped)
            for index, call in enumerate(items_of(message, "tool_calls", f"{path}.tool_calls"))
        ]
        places = [f"{path}.tool_calls[{index}].id" for index in range(len(calls))]
        if function := message.get("function_call"):
            self._functions += 1
            places.append(f"{path}.function_call")
            calls.append(
                call_block(function, f"function_call_{self._functions}", f"{path}.function_call", self._dropped)
            )
        blocks += calls
        mark_last(blocks, mark_of(message, path, self._dropped))
        if blocks and (not self.turns or self.turns[-1]["role"] != "assistant"):
            self._refuse_unanswered()
            self._called = {}
        self._called |= {call["id"]: call["name"] for call in calls}
        self._unanswered |= {call["id"]: place for call, place in zip(calls, places, strict=True)}
        self._extend("assistant", blocks)

    def _thoughts(self, message: Mapping[str, Any]) -> list[Block]:
        """Signed thoughts, as our own replies gave them to the client, in their order."""
        given = message.get("thinking_blocks")
        thoughts: list[Block] = []
        for block in given if isinstance(given, list) else ():
            kind = block.get("type") if isinstance(block, dict) else None
            if kind == "thinking" and isinstance(block.get("signature"), str):
                thought = block.get("thinking")
                thoughts.append({"type": kind, "thinking": thought or "", "signature": block["signature"]})
            elif kind == "redacted_thinking" and isinstance(block.get("data"), str):
                thoughts.append({"type": kind, "data": block["data"]})
            else:
                self._dropped.note("messages[].thinking_blocks")
        if not thoughts and any(not says_nothing(message.get(name)) for name in _THOUGHTS):
            self._dropped.note("messages[].reasoning_content")
        return thoughts

    def _add_result(self, message: Mapping[str, Any], path: str) -> None:
        if message["role"] == "tool":
            field = f"{path}.tool_call_id"
            identity = tool_id(message.get("tool_call_id"), field)
        else:
            field = f"{path}.name"
            called = [identity for identity, name in self._called.items() if name == message.get("name")]
            identity = called[-1] if called else ""
        if identity not in self._called:
            raise invalid(field, "the message before does not call a tool that this could be the result of")
        self._unanswered.pop(identity, None)
        result: Block = {"type": "tool_result", "tool_use_id": identity}
        if content := blocks_of(message.get("content"), f"{path}.content", SHOWN, self._dropped):
            result["content"] = content
        mark_last([result], mark_of(message, path, self._dropped))
        turn = self._turn("user")
        results = sum(block["type"] == "tool_result" for block in turn["content"])
        turn["content"].insert(results, result)

    def _refuse_unanswered(self) -> None:
        """Before a turn that follows the results of calls: no host goes on without all of them."""
        for place in self._unanswered.values():
            raise invalid(place, "no message right after it has the result of this call")

    def _extend(self, role: str, blocks: list[Block]) -> None:
        if blocks:
            self._turn(role)["content"] += blocks

    def _turn(self, role: str) -> dict[str, Any]:
        if not self.turns or self.turns[-1]["role"] != role:
            self.turns.append({"role": role, "content": []})
        return self.turns[-1]

    def _turn_system_into_user(self) -> None:
        """No host answers a system prompt alone."""
        if not self.system:
            raise invalid("messages", "there is nothing in them")
        self._dropped.note("messages[].role")
        self._extend("user", self.system)
        self.system = []
