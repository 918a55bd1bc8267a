"""Anthropic messages, whole and streamed."""

from collections.abc import Iterator, Mapping
from typing import Any

from tollhouse.providers.echo.options import EchoOptions
from tollhouse.providers.echo.reply import (
    TOLD_TO_FAIL,
    EchoReply,
    anthropic_error,
    model_of,
    named_event,
    stream_reply,
    whole_reply,
)
from tollhouse.providers.echo.speech import Speech, speech


def messages(body: Mapping[str, Any], digest: str, options: EchoOptions) -> EchoReply:
    said = speech(body, body.get("max_tokens"), options)
    head = {"id": f"msg_{digest}", "type": "message", "role": "assistant", "model": model_of(body)}
    usage = {
        "input_tokens": said.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }
    if body.get("stream") is True:
        return stream_reply(_events(head, usage, said), named_event(anthropic_error(529, TOLD_TO_FAIL)))
    whole = {
        "content": [{"type": "text", "text": "".join(said.words)}],
        **_ending(said),
        "usage": {**usage, "output_tokens": len(said.words)},
    }
    return whole_reply(200, {**head, **whole})


def _events(head: Mapping[str, Any], usage: Mapping[str, int], said: Speech) -> Iterator[tuple[bytes, bool]]:
    # As the vendor does, the opening event counts the token that it is about to send.
    opening: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
    opening["usage"] = {**usage, "output_tokens": min(1, len(said.words))}
    yield named_event({"type": "message_start", "message": {**head, **opening}}), False
    block = {"type": "text", "text": ""}
    yield named_event({"type": "content_block_start", "index": 0, "content_block": block}), False
    yield named_event({"type": "ping"}), False
    for word in said.words:
        delta = {"type": "text_delta", "text": word}
        yield named_event({"type": "content_block_delta", "index": 0, "delta": delta}), True
    yield named_event({"type": "content_block_stop", "index": 0}), False
    output = {"output_tokens": len(said.words)}
    yield named_event({"type": "message_delta", "delta": _ending(said), "usage": output}), False
    yield named_event({"type": "message_stop"}), False


def _ending(said: Speech) -> dict[str, Any]:
    return {"stop_reason": "max_tokens" if said.is_cut else "end_turn", "stop_sequence": None}
