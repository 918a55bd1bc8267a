"""Messages, as Anthropic's own host reads and writes it."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.scripted_host.chat import pieces
from tests.scripted_host.conversation import Conversation
from tests.scripted_host.mind import Answer, Asked, Refused, check_closed

FIELDS = {
    *("max_tokens", "messages", "model", "cache_control", "container", "context_management", "diagnostics"),
    *("inference_geo", "mcp_servers", "metadata", "output_config", "output_format", "service_tier", "speed"),
    *("stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p"),
}
"""Those of the official SDK; others are refused."""
SIGNATURE = "c2NyaXB0ZWQ="
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def read(body: Mapping[str, Any]) -> Asked:
    if body.get("thread"):
        raise Refused("thread: this request cannot be threaded", code="thread_unsupported_request")
    if unknown := body.keys() - FIELDS:
        raise Refused(f"{min(unknown)}: Extra inputs are not permitted")
    if "max_tokens" not in body:
        raise Refused("max_tokens: Field required")
    tools = _tools(body)
    choice = body.get("tool_choice") or {"type": "auto"}
    thinks = _thinks(body, choice)
    conversation = Conversation()
    conversation.system = "".join(block["text"] for block in _blocks(body.get("system") or "", "system"))
    for number, message in enumerate(body["messages"]):
        path = f"messages.{number}"
        if message["role"] not in READERS or (number == 0 and message["role"] != "user"):
            raise Refused(f"{path}.role: unexpected role {message['role']!r}")
        READERS[message["role"]](conversation, _blocks(message["content"], f"{path}.content"), f"{path}.content")
    return conversation.asked(
        tools=tools,
        choice=choice.get("name") or {"any": "required"}.get(choice["type"], choice["type"]),
        parallel=not choice.get("disable_parallel_tool_use"),
        schema=_schema(body),
        thinks=thinks,
    )


def _read_user(conversation: Conversation, blocks: list[dict[str, Any]], path: str) -> None:
    words, files, answers = [], [], False
    for place, block in enumerate(blocks):
        where = f"{path}.{place}"
        match block["type"]:
            case "tool_result":
                said = _result(block.get("content") or "", f"{where}.content")
                conversation.result(block["tool_use_id"], said, where)
                answers = True
            case "text":
                words.append(block["text"])
            case "image" | "document":
                files.append(_file(block["source"], f"{where}.source"))
            case other:
                raise Refused(f"{where}.type: {other!r} is not allowed here")
        if block["type"] != "tool_result":
            conversation.check_answered(where)  # results come first
    if words or files or not answers:
        conversation.user("\n".join(words), files, path)


def _read_assistant(conversation: Conversation, blocks: list[dict[str, Any]], path: str) -> None:
    calls = {}
    for place, block in enumerate(blocks):
        match block["type"]:
            case "text":
                pass
            case "thinking" if block["signature"] == SIGNATURE:
                pass
            case "tool_use" if _ID.fullmatch(block["id"]) and isinstance(block["input"], dict):
                calls[block["id"]] = block["name"]
            case kind:
                raise Refused(f"{path}.{place}: this {kind!r} is not one of this model's")
    conversation.assistant(calls, path)


READERS = {"user": _read_user, "assistant": _read_assistant}


def _tools(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    tools = {}
    for number, tool in enumerate(body.get("tools") or ()):
        if tool["input_schema"].get("type") != "object":
            raise Refused(f"tools.{number}.custom.input_schema.type: Field required")
        if tool.get("strict"):
            check_closed(tool["input_schema"], f"tools.{number}.custom.input_schema")
        tools[tool["name"]] = tool["input_schema"]
    if not tools and body.get("tool_choice"):
        raise Refused("tool_choice: may only be specified while providing tools")
    return tools


def _thinks(body: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    thinking = body.get("thinking") or {"type": "disabled"}
    if thinking["type"] == "disabled":
        return False
    if thinking["type"] == "enabled" and not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
        raise Refused("thinking.enabled.budget_tokens: at least 1024 and less than `max_tokens` is needed")
    if choice["type"] in ("any", "tool"):
        raise Refused("Thinking may not be enabled when tool_choice forces tool use.")
    if body.get("temperature") not in (None, 1):
        raise Refused("`temperature` may only be set to 1 when thinking is enabled.")
    return True


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    format = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if format is None:
        return None
    check_closed(format["schema"], "output_config.format.schema")
    return format["schema"]


def _blocks(content: Any, path: str) -> list[dict[str, Any]]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if path != "system" and any(block["type"] == "text" and not block["text"].strip() for block in blocks):
        raise Refused(f"{path}: text content blocks must be non-empty")
    return blocks


def _result(content: Any, path: str) -> list[str]:
    if not content:
        return [""]
    blocks = _blocks(content, path)
    return [block["text"] if block["type"] == "text" else _file(block["source"], path) for block in blocks]


def _file(source: Mapping[str, Any], path: str) -> str:
    match source["type"]:
        case "base64":
            return f"{source['media_type']} of {len(base64.b64decode(source['data'], validate=True))} bytes"
        case "text":
            return f"{source['media_type']} of {len(source['data'].encode())} bytes"
        case "url":
            return str(source["url"])
    raise Refused(f"{path}.type: {source['type']!r} is not allowed here")


def _content(answer: Answer, turns: int) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.thought:
        blocks.append({"type": "thinking", "thinking": answer.thought, "signature": SIGNATURE})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    for place, (name, arguments) in enumerate(answer.calls):
        blocks.append({"type": "tool_use", "id": f"toolu_{turns}_{place}", "name": name, "input": arguments})
    return blocks


def _output_tokens(answer: Answer) -> int:
    return 1 + len(answer.text.split()) + len(answer.thought.split()) + 5 * len(answer.calls)


_INPUT = {"input_tokens": 20, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 0}


def whole(answer: Answer, asked: Asked, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": _content(answer, asked.turns),
        "stop_reason": "tool_use" if answer.calls else "end_turn",
        "stop_sequence": None,
        "usage": {**_INPUT, "output_tokens": _output_tokens(answer), "service_tier": "standard"},
    }


def stream(answer: Answer, asked: Asked, body: Mapping[str, Any]) -> Iterator[bytes]:
    begun = {**whole(Answer(), asked, body), "stop_reason": None, "usage": {**_INPUT, "output_tokens": 1}}
    yield _event("message_start", message=begun)
    yield _event("ping")
    for index, block in enumerate(_content(answer, asked.turns)):
        empty, deltas = _spelled(block)
        yield _event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    end = {"stop_reason": "tool_use" if answer.calls else "end_turn", "stop_sequence": None}
    yield _event("message_delta", delta=end, usage={"output_tokens": _output_tokens(answer)})
    yield _event("message_stop")


def _spelled(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and what is added to it."""
    match block["type"]:
        case "text":
            said = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
            return {**block, "text": ""}, said
        case "thinking":
            thought = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
            signed = {"type": "signature_delta", "signature": SIGNATURE}
            return {**block, "thinking": "", "signature": ""}, [*thought, signed]
    parts = ["", *pieces(json.dumps(block["input"]))]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in parts]


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, separators=(',', ':'))}\n\n".encode()


def error(status: int, message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message, **details}}
