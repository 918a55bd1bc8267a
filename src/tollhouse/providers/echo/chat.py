"""Chat completions, whole and streamed."""

from collections.abc import Iterator, Mapping
from typing import Any

from tollhouse.providers.echo.options import EchoOptions
from tollhouse.providers.echo.reply import (
    CREATED,
    TOLD_TO_FAIL,
    EchoReply,
    event,
    model_of,
    openai_error,
    stream_reply,
    whole_number,
    whole_reply,
)
from tollhouse.providers.echo.speech import Speech, speech


def chat(body: Mapping[str, Any], digest: str, options: EchoOptions) -> EchoReply:
    cap = body.get("max_completion_tokens")
    said = speech(body, body.get("max_tokens") if cap is None else cap, options)
    choices = whole_number(body.get("n"), "n", 1, 128) or 1
    streams = body.get("stream") is True
    frame = {
        "id": f"chatcmpl-{digest}",
        "object": "chat.completion.chunk" if streams else "chat.completion",
        "created": CREATED,
        "model": model_of(body),
        "system_fingerprint": "fp_echo",
    }
    usage = _usage(said.input_tokens, len(said.words) * choices)
    if streams:
        asked = body.get("stream_options")
        with_usage = isinstance(asked, dict) and asked.get("include_usage") is True
        events = _events(frame, said, choices, usage if with_usage else None)
        return stream_reply(events, event(openai_error(500, TOLD_TO_FAIL)))
    message = {"role": "assistant", "content": "".join(said.words), "refusal": None}
    choice = {"message": message, "logprobs": None, "finish_reason": _reason(said)}
    said_in_each = [{"index": index, **choice} for index in range(choices)]
    return whole_reply(200, {**frame, "choices": said_in_each, "usage": usage})


def _events(
    frame: Mapping[str, Any], said: Speech, choices: int, usage: Mapping[str, Any] | None
) -> Iterator[tuple[bytes, bool]]:
    # A caller who asked for usage sees the field in every chunk, and its value in one more at the end.
    frame = {**frame, "usage": None} if usage else frame

    def chunk(index: int, delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return event({**frame, "choices": [choice]})

    for index in range(choices):
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None}), False
    for word in said.words:
        for index in range(choices):
            yield chunk(index, {"content": word}), True
    for index in range(choices):
        yield chunk(index, {}, _reason(said)), False
    if usage:
        yield event({**frame, "choices": [], "usage": usage}), False
    yield b"data: [DONE]\n\n", False


def _reason(said: Speech) -> str:
    return "length" if said.is_cut else "stop"


def _usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
