"""Chat Completions, as OpenAI's own host reads and writes it."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.scripted_host.conversation import Conversation
from tests.scripted_host.mind import Answer, Asked, Refused, check_closed

FIELDS = {
    *("messages", "model", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs"),
    *("max_completion_tokens", "max_tokens", "metadata", "modalities", "moderation", "n", "parallel_tool_calls"),
    *("prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    *("reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream"),
    *("stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity"),
    "web_search_options",
}
"""Those of the official SDK; others are refused."""


def read(body: Mapping[str, Any]) -> Asked:
    if unknown := body.keys() - FIELDS:
        raise Refused(f"Unrecognized request argument supplied: {min(unknown)}", min(unknown))
    if "stream_options" in body and not body.get("stream"):
        raise Refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    tools = _tools(body)
    conversation = Conversation()
    for number, message in enumerate(body["messages"]):
        _read_message(conversation, message, f"messages[{number}]")
    return conversation.asked(
        tools=tools,
        choice=_choice(body),
        parallel=body.get("parallel_tool_calls") is not False,
        schema=_schema(body.get("response_format") or {}),
        thinks=body.get("reasoning_effort") not in (None, "none"),
    )


def _read_message(conversation: Conversation, message: Mapping[str, Any], path: str) -> None:
    words, files = _content(message.get("content"), f"{path}.content")
    match message["role"]:
        case "system" | "developer":
            conversation.system += words
        case "user":
            conversation.user(words, files, path)
        case "assistant":
            calls = message.get("tool_calls") or ()
            for call in calls:
                json.loads(call["function"]["arguments"])
            conversation.assistant({call["id"]: call["function"]["name"] for call in calls}, path)
        case "tool":
            conversation.result(message["tool_call_id"], [words, *files] if words else files, path)


def _tools(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    tools = {}
    for number, tool in enumerate(body.get("tools") or ()):
        function = tool["function"]
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        if function.get("strict"):
            check_closed(schema, f"tools[{number}].function.parameters")
        tools[function["name"]] = schema
    for field in ("tool_choice", "parallel_tool_calls"):
        if not tools and body.get(field) is not None:
            raise Refused(f"'{field}' is only allowed when 'tools' are specified.", field)
    return tools


def _choice(body: Mapping[str, Any]) -> str:
    choice = body.get("tool_choice") or "auto"
    return choice if isinstance(choice, str) else choice["function"]["name"]


def _schema(format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if format.get("type") != "json_schema":
        return None
    told = format["json_schema"]
    if told.get("strict"):
        check_closed(told["schema"], "response_format.json_schema.schema")
    return told["schema"]


def _content(content: Any, path: str) -> tuple[str, list[str]]:
    """The text, and what else there is, named by its type and size."""
    if isinstance(content, str) or content is None:
        return content or "", []
    texts, files = [], []
    for number, part in enumerate(content):
        match part["type"]:
            case "text" | "refusal":
                texts.append(part[part["type"]])
            case "image_url":
                files.append(_file(part["image_url"]["url"], f"{path}[{number}].image_url.url"))
            case "file":
                files.append(_file(part["file"]["file_data"], f"{path}[{number}].file.file_data"))
            case "input_audio":
                files.append(f"{part['input_audio']['format']} audio")
            case other:
                raise Refused(f"Invalid value: '{other}'.", f"{path}[{number}].type")
    return "\n".join(texts), files


def _file(url: str, path: str) -> str:
    if not url.startswith("data:"):
        return url
    head, _, data = url.removeprefix("data:").partition(",")
    if not head.endswith(";base64"):
        raise Refused("Invalid data URL", path)
    return f"{head.removesuffix(';base64')} of {len(base64.b64decode(data, validate=True))} bytes"


def _usage(answer: Answer) -> dict[str, Any]:
    output = 1 + len(answer.text.split()) + 5 * len(answer.calls)
    thought = len(answer.thought.split())
    return {
        "prompt_tokens": 30,
        "completion_tokens": output + thought,
        "total_tokens": 30 + output + thought,
        "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought, "accepted_prediction_tokens": 0},
    }


def _calls(answer: Answer, turns: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{turns}_{place}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for place, (name, arguments) in enumerate(answer.calls)
    ]


def _finish(answer: Answer, body: Mapping[str, Any]) -> str:
    # A named function is called, and the model stops: that is what OpenAI's host says of it.
    return "tool_calls" if answer.calls and not isinstance(body.get("tool_choice"), dict) else "stop"


def _logprobs(answer: Answer, body: Mapping[str, Any]) -> dict[str, Any] | None:
    if not body.get("logprobs"):
        return None
    tokens = answer.text.split(" ")
    content = [{"token": token, "logprob": -0.5, "bytes": [*token.encode()], "top_logprobs": []} for token in tokens]
    return {"content": content, "refusal": None}


def whole(answer: Answer, asked: Asked, body: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None, "annotations": []}
    if answer.thought:
        message["reasoning_content"] = answer.thought
    if answer.calls:
        message["tool_calls"] = _calls(answer, asked.turns)
    choice = {"message": message, "logprobs": _logprobs(answer, body), "finish_reason": _finish(answer, body)}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": body["model"],
        "choices": [{"index": index, **choice} for index in range(body.get("n") or 1)],
        "usage": _usage(answer),
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }


def stream(answer: Answer, asked: Asked, body: Mapping[str, Any]) -> Iterator[bytes]:
    told = bool((body.get("stream_options") or {}).get("include_usage"))

    def event(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        chunk = {
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": body["model"],
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
            "choices": choices,
        }
        if told:
            chunk["usage"] = usage
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    for index in range(body.get("n") or 1):
        for delta in _deltas(answer, asked.turns):
            logprobs = _logprobs(Answer(text=delta["content"]), body) if delta.get("content") else None
            yield event([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}])
        yield event([{"index": index, "delta": {}, "logprobs": None, "finish_reason": _finish(answer, body)}])
    if told:
        yield event([], _usage(answer))
    yield b"data: [DONE]\n\n"


def _deltas(answer: Answer, turns: int) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if answer.calls else "", "refusal": None}
    for word in answer.thought.split(" ") if answer.thought else ():
        yield {"reasoning_content": f"{word} "}
    for piece in pieces(answer.text):
        yield {"content": piece}
    for place, call in enumerate(_calls(answer, turns)):
        function = call["function"]
        yield {"tool_calls": [{"index": place, **call, "function": {**function, "arguments": ""}}]}
        for piece in pieces(function["arguments"]):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def pieces(text: str) -> Iterator[str]:
    """As tokens fall: not where words end."""
    for start in range(0, len(text), 5):
        yield text[start : start + 5]


def error(status: int, message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_exceeded"}
    return {"error": {"message": message, "type": kinds.get(status, "server_error"), "param": param, "code": code}}
