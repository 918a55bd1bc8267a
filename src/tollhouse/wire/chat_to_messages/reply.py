"""A Message as a chat completion."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire import json_text
from tollhouse.wire.chat_to_messages.completion import (
    annotation,
    arguments,
    explanation,
    finish_reason,
    head,
    signed,
    text,
    usage_of,
)
from tollhouse.wire.chat_to_messages.tools import is_legacy


class WholeReply:
    """Waits for all of it. What is no Message is given on as it came, and never made a success."""

    def __init__(self, call: Call, created: int) -> None:
        self._call = call
        self._legacy = is_legacy(call.body)
        self._created = created
        self._pieces: list[bytes] = []

    def feed(self, frame: bytes) -> bytes:
        self._pieces.append(frame)
        return b""

    def finish(self) -> bytes:
        whole = b"".join(self._pieces)
        self._pieces.clear()
        message = json_text.read_leniently(whole)
        if not isinstance(message, dict) or message.get("error") or not isinstance(message.get("content"), list):
            return whole
        return json_text.write(self._completion(message))

    def _completion(self, message: Mapping[str, Any]) -> dict[str, Any]:
        legacy = self._legacy
        blocks = [block for block in message["content"] if isinstance(block, dict)]
        said = _message(blocks, explanation(message.get("stop_details")), legacy=legacy)
        calls = sum(block.get("type") == "tool_use" for block in blocks)
        choice = {
            "index": 0,
            "message": said,
            "logprobs": None,
            "finish_reason": finish_reason(message.get("stop_reason"), calls=calls, legacy=legacy),
        }
        return {
            **head(self._call, self._created, message, "chat.completion"),
            "choices": [choice],
            "usage": usage_of(message.get("usage")),
        }


def _message(blocks: list[dict[str, Any]], refusal: str | None, *, legacy: bool) -> dict[str, Any]:
    content, annotations = _texts(blocks)
    thinking = [block for block in blocks if block.get("type") in ("thinking", "redacted_thinking")]
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    said: dict[str, Any] = {"role": "assistant", "content": content if content or not calls else None}
    said["refusal"] = refusal
    if reasoning := "".join(text(block, "thinking") for block in thinking):
        said["reasoning_content"] = reasoning
    if thinking:
        said["thinking_blocks"] = [signed(block) for block in thinking]
    if annotations:
        said["annotations"] = annotations
    if calls and legacy:
        said["function_call"] = calls[0]["function"]
    elif calls:
        said["tool_calls"] = calls
    return said


def _texts(blocks: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """All text, and what it cites."""
    content = ""
    annotations: list[dict[str, Any]] = []
    for block in blocks:
        if block.get("type") == "text":
            start = len(content)
            content += text(block, "text")
            citations = block.get("citations")
            cited = citations if isinstance(citations, list) else ()
            annotations += filter(None, (annotation(citation, start, len(content)) for citation in cited))
    return content, annotations


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": text(block, "name"), "arguments": arguments(block.get("input"))}
    return {"id": text(block, "id"), "type": "function", "function": function}
