"""A chat completion as a message."""

from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire import completion, json_text
from tollhouse.wire.messages_to_chat import answer
from tollhouse.wire.messages_to_chat.failure import NO_ANSWER, NOT_JSON, failure
from tollhouse.wire.messages_to_chat.sealed import Sealed, shows_thoughts
from tollhouse.wire.messages_to_chat.tools import input_of
from tollhouse.wire.vocabulary import openai_usage


class WholeReply:
    """Gathers the document, and converts it at its end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._shows_thoughts = shows_thoughts(call.body)
        self._stop_sequences = call.body.get("stop_sequences") or ()
        self._frames: list[bytes] = []

    def feed(self, frame: bytes) -> bytes:
        self._frames.append(frame)
        return b""

    def finish(self) -> bytes:
        document = completion.read(b"".join(self._frames))
        self._frames.clear()
        if document is None:
            return failure(NOT_JSON, self._call.request_id)
        choice = completion.first_choice(document)
        message = choice.get("message") if choice else None
        if document.get("error") or (choice and choice.get("finish_reason") in completion.BROKEN_OFF):
            return failure(document.get("error"), self._call.request_id)
        if choice is None or not isinstance(message, dict):
            return failure(NO_ANSWER, self._call.request_id)
        return json_text.write(self._message(document, choice, message))

    def _message(self, document: dict[str, Any], choice: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        facts, stem = self._call.facts, answer.stem_of(document, self._call.request_id)
        blocks, refused, shown = [], False, self._shows_thoughts
        sealed = Sealed()
        sealed.add_details(message.get("reasoning_details"))
        calls = []
        for number, call in enumerate(completion.as_objects(message.get("tool_calls"))):
            block = _tool_use(call, f"toolu_{stem}_{number}")
            if signature := call.get("extra_content"):
                sealed.signed_calls[block["id"]] = signature
            calls.append(block)
        for kind, text in answer.pieces(message):
            if kind in ("text", "refusal"):
                refused = refused or kind == "refusal"
                blocks.append({"type": "text", "text": text})
            elif not shown:
                sealed.hide(text, kind)
            else:
                sealed.field = kind
                blocks.append({"type": "thinking", "thinking": text, "signature": sealed.write(facts.model)})
                sealed = Sealed()
        if sealed and (shown or calls):
            blocks.append({"type": "redacted_thinking", "data": sealed.write(facts.model)})
        told = document.get("usage")
        usage = openai_usage(told if isinstance(told, dict) else {})
        return {
            "id": f"msg_{stem}",
            "type": "message",
            "role": "assistant",
            "model": facts.model,
            "content": [*blocks, *calls],
            **answer.ending(choice, self._stop_sequences, called=bool(calls), refused=refused),
            "usage": answer.usage_of(usage) | answer.tier_of(document),
        }


def _tool_use(call: dict[str, Any], made_up_id: str) -> dict[str, Any]:
    given = call.get("function")
    function: dict[str, Any] = given if isinstance(given, dict) else {}
    name, call_id = function.get("name"), call.get("id")
    return {
        "type": "tool_use",
        "id": call_id if isinstance(call_id, str) and call_id else made_up_id,
        "name": name if isinstance(name, str) else "",
        "input": input_of(function.get("arguments") or ""),
    }
