"""One answer as hosts of two formats stream it: thoughts, a text and two tool calls; and a request that leads to it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench.conversation import ANSWER, MODEL

THOUGHTS = 100
WORDS = 400
ARGUMENTS = 50
"""Events of each kind; arguments for each of two calls."""
_WORDS = ANSWER.split(" ")
_TOOL = {
    "name": "find_repair_slot",
    "description": "Finds the next free slot of a mechanic for a repair, by kind of repair and day.",
    "schema": {
        "type": "object",
        "properties": {"repair": {"type": "string"}, "day": {"type": "string"}, "minutes": {"type": "integer"}},
        "required": ["repair", "day"],
    },
}
_CALL = {"repair": "true a wheel", "day": "tomorrow", "minutes": 30}


def chat() -> list[bytes]:
    """As OpenAI and those who follow it stream."""
    return [*(_data(chunk) for chunk in _chunks()), b"data: [DONE]\n\n"]


def messages() -> list[bytes]:
    """As Anthropic streams."""
    return [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _json(event)) for event in _events()]


def chat_request() -> dict[str, Any]:
    """A dialogue of 21 messages, 5 tool calls among them, with 8 tools."""
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"{_TOOL['name']}_{number}",
                "description": _TOOL["description"],
                "parameters": _TOOL["schema"],
            },
        }
        for number in range(8)
    ]
    turns: list[dict[str, Any]] = [{"role": "system", "content": ANSWER}]
    for number in range(5):
        function = {"name": f"{_TOOL['name']}_{number}", "arguments": json.dumps(_CALL)}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        turns += [
            {"role": "user", "content": ANSWER},
            {"role": "assistant", "content": ANSWER, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{number}", "content": ANSWER},
            {"role": "assistant", "content": ANSWER},
        ]
    turns[-1] = {"role": "user", "content": ANSWER}
    return {"model": MODEL, "messages": turns, "tools": tools, "max_tokens": 1024, "stream": True}


def messages_request() -> dict[str, Any]:
    """The same as a client of Messages says it."""
    tools = [
        {"name": f"{_TOOL['name']}_{number}", "description": _TOOL["description"], "input_schema": _TOOL["schema"]}
        for number in range(8)
    ]
    turns: list[dict[str, Any]] = []
    for number in range(5):
        text = {"type": "text", "text": ANSWER}
        use = {"type": "tool_use", "id": f"call_{number}", "name": f"{_TOOL['name']}_{number}", "input": _CALL}
        turns += [
            {"role": "user", "content": ANSWER},
            {"role": "assistant", "content": [text, use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"call_{number}", "content": ANSWER}]},
            {"role": "assistant", "content": ANSWER},
        ]
    turns[-1] = {"role": "user", "content": ANSWER}
    return {
        "model": MODEL, "system": ANSWER, "messages": turns, "tools": tools, "max_tokens": 1024, "stream": True,
    }  # fmt: skip


def responses_request() -> dict[str, Any]:
    """The same as a client of Responses says it."""
    tools = [
        {
            "type": "function",
            "name": f"{_TOOL['name']}_{number}",
            "description": _TOOL["description"],
            "parameters": _TOOL["schema"],
            "strict": False,
        }
        for number in range(8)
    ]
    items: list[dict[str, Any]] = []
    for number in range(5):
        name = f"{_TOOL['name']}_{number}"
        items += [
            {"role": "user", "content": ANSWER},
            {"role": "assistant", "content": ANSWER},
            {"type": "function_call", "call_id": f"call_{number}", "name": name, "arguments": json.dumps(_CALL)},
            {"type": "function_call_output", "call_id": f"call_{number}", "output": ANSWER},
        ]
    items.append({"role": "user", "content": ANSWER})
    return {
        "model": MODEL, "instructions": ANSWER, "input": items, "tools": tools, "max_output_tokens": 1024,
        "stream": True,
    }  # fmt: skip


def _pieces(count: int) -> Iterator[str]:
    for number in range(count):
        yield _WORDS[number % len(_WORDS)] + " "


def _arguments(count: int) -> Iterator[str]:
    yield '{"repair": "'
    for number in range(count - 2):
        yield f"word{number} "
    yield '"}'


def _chunks() -> Iterator[dict[str, Any]]:
    yield _chunk({"role": "assistant", "content": ""})
    for piece in _pieces(THOUGHTS):
        yield _chunk({"reasoning_content": piece})
    for piece in _pieces(WORDS):
        yield _chunk({"content": piece})
    for index in range(2):
        function = {"name": f"{_TOOL['name']}_{index}", "arguments": ""}
        yield _chunk(
            {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]}
        )
        for piece in _arguments(ARGUMENTS):
            yield _chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield _chunk({}, "tool_calls")
    usage = {"prompt_tokens": 900, "completion_tokens": 600, "total_tokens": 1500}
    yield {**_chunk({}), "choices": [], "usage": usage}


def _chunk(delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-Bq7YxR2mT1vKcW9sJ4hLpE8n",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
        "usage": None,
    }


def _events() -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": 900, "output_tokens": 1}
    message = {"id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "model": MODEL}
    rest = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": {**message, **rest}}
    thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(THOUGHTS)]
    signed = {"type": "signature_delta", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk"}
    yield from _block(0, {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signed])
    words = [{"type": "text_delta", "text": piece} for piece in _pieces(WORDS)]
    yield from _block(1, {"type": "text", "text": ""}, words)
    for index in (2, 3):
        use = {"type": "tool_use", "id": f"toolu_{index}", "name": f"{_TOOL['name']}_{index}", "input": {}}
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in _arguments(ARGUMENTS)]
        yield from _block(index, use, pieces)
    ending = {"stop_reason": "tool_use", "stop_sequence": None}
    yield {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 600}}
    yield {"type": "message_stop"}


def _block(index: int, block: Mapping[str, Any], deltas: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield {"type": "content_block_start", "index": index, "content_block": block}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _data(document: Mapping[str, Any]) -> bytes:
    return b"data: %b\n\n" % _json(document)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
