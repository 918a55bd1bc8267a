"""What is booked of a whole answer whose host does not tell all of its usage."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.domain.usage import Usage
from tollhouse.wire import FORMATS
from tollhouse.wire.token_estimate import FILE_TOKENS, IMAGE_TOKENS

BOUND = 100_000
PNG = base64.b64encode(b"x" * 300_000).decode()
TURN = [{"role": "user", "content": "Hello"}]
ASKED: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": TURN},
    "completions": {"model": "m", "prompt": "Hello"},
    "messages": {"model": "m", "messages": TURN, "max_tokens": 9},
    "responses": {"model": "m", "input": "Hello"},
}
CALLED = {"name": "look", "arguments": '{"at":"it"}'}
ANSWERS: list[tuple[str, dict[str, Any], int]] = [
    ("chat", {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}, 1),
    ("chat", {"choices": [{"message": {"content": "x" * 40}}, {"message": {"content": "x" * 40}}]}, 20),
    ("chat", {"choices": [{"message": {"content": None, "tool_calls": [{"id": "c", "function": CALLED}]}}]}, 4),
    ("chat", {"choices": [{"message": {"reasoning": "x" * 40, "reasoning_content": "x" * 40, "content": "x"}}]}, 11),
    ("chat", {"choices": [{"message": {"content": [{"type": "text", "text": "x" * 40}]}}]}, 10),
    ("completions", {"choices": [{"text": "x" * 40, "logprobs": {"tokens": ["x"] * 40}}]}, 10),
    ("messages", {"id": "m" * 99, "content": [{"type": "text", "text": "é" * 20}]}, 10),
    ("messages", {"content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"at": "it"}}]}, 4),
    ("messages", {"content": [{"type": "thinking", "thinking": "x" * 40, "signature": "s" * 400}]}, 10),
    ("responses", {"output": [{"type": "message", "content": [{"type": "output_text", "text": "x" * 40}]}]}, 10),
    ("responses", {"output": [{"type": "function_call", "call_id": "c" * 40, **CALLED}]}, 4),
    ("responses", {"output": [{"type": "reasoning", "summary": [{"text": "x" * 40}], "encrypted_content": "e"}]}, 10),
]
COUNTS = {"chat": ("prompt_tokens", "completion_tokens"), "completions": ("prompt_tokens", "completion_tokens")}
OTHER_COUNTS = ("input_tokens", "output_tokens")


def booked(format: str, answer: Any, asked: dict[str, Any] | None = None, bound: int = BOUND) -> Usage:
    body = asked or ASKED[format]
    facts = FORMATS[format].read(body, len(json.dumps(body)))
    meter = FORMATS[format].meter(facts, bound)
    meter.feed(json.dumps(answer).encode())
    meter.finish()
    return meter.usage()


@pytest.mark.parametrize(("format", "answer", "output"), ANSWERS)
def test_output_that_nobody_tells_is_estimated_by_what_is_said_alone(
    format: str, answer: dict[str, Any], output: int
) -> None:
    prompt, completion = COUNTS.get(format, OTHER_COUNTS)
    asked = -(-len(json.dumps(ASKED[format])) // 4)
    assert booked(format, answer) == Usage(input=asked, output=output, estimated=True)
    empty = {prompt: 0, completion: 0, "total_tokens": 50}
    assert booked(format, {**answer, "usage": empty}) == Usage(input=asked, output=output, estimated=True)


@pytest.mark.parametrize(("format", "answer", "output"), ANSWERS)
def test_output_that_is_told_counts_though_the_prompt_is_not(format: str, answer: dict[str, Any], output: int) -> None:
    prompt, completion = COUNTS.get(format, OTHER_COUNTS)
    usage = booked(format, {**answer, "usage": {prompt: 0, completion: 1, "total_tokens": 1}})
    assert usage == Usage(input=-(-len(json.dumps(ASKED[format])) // 4), output=1, estimated=True)


URL = f"data:image/png;base64,{PNG}"
SOURCE = {"type": "base64", "media_type": "image/png", "data": PNG}
IMAGES = [
    ("chat", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}}]}]}),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "image", "source": SOURCE}]}]}),
    ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": URL}]}]}),
]


@pytest.mark.parametrize(("format", "fields"), IMAGES)
def test_an_image_is_booked_as_a_usual_one_and_not_as_the_window(format: str, fields: dict[str, Any]) -> None:
    _, answer, output = next(row for row in ANSWERS if row[0] == format)
    usage = booked(format, answer, {**ASKED[format], **fields})
    assert IMAGE_TOKENS < usage.input < IMAGE_TOKENS + 60
    assert (usage.output, usage.estimated) == (output, True)
    assert booked(format, answer, {**ASKED[format], **fields}, bound=500).input == 500


def test_what_has_no_usual_size_is_booked_at_the_bound() -> None:
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PNG}}
    asked = {**ASKED["messages"], "messages": [{"role": "user", "content": [document]}]}
    assert booked("messages", {"content": []}, asked).input == BOUND > FILE_TOKENS


@pytest.mark.parametrize("answer", [{"error": {"message": "x"}}, {"id": "m"}, []])
def test_what_is_no_answer_stays_at_the_bound(answer: Any) -> None:
    assert booked("chat", answer).input == BOUND


FIELDS = ["choices", "content", "output", "message", "text", "input", "summary", "tool_calls", "function", "usage"]
ODD = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(sorted(ASKED)), ODD)
def test_whatever_a_host_sends_has_a_usage(format: str, odd: Any) -> None:
    assert booked(format, {"choices": odd, "content": odd, "output": odd, "usage": odd}).output >= 0


def test_an_answer_deeper_than_the_writer_takes_has_a_usage() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    assert booked("messages", {"content": [{"type": "tool_use", "name": "look", "input": deep}]}).output == 1
