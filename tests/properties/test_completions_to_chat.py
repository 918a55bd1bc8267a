"""Completions clients on chat hosts: whatever the chunks, and whatever hosts and callers make of their formats."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import Completion

from tests.translations import GOLDEN, bytewise, pieces, relayed
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import BadRequest
from tollhouse.wire import FORMATS, PAIRS, json_text
from tollhouse.wire.completions import CompletionsFormat
from tollhouse.wire.completions_to_chat import CompletionsToChat
from tollhouse.wire.framing import EventFraming

TRANSCRIPTS = sorted(
    [path for path in (GOLDEN / "completions_to_chat" / "streams").glob("*.sse") if ".client" not in path.name]
    + list((GOLDEN / "transcripts").glob("chat-*.sse"))
)
DOCUMENTS = sorted((GOLDEN / "transcripts").glob("chat-*.json"))
REQUESTS = [
    json.loads(path.read_text())["request"] for path in sorted((GOLDEN / "completions_to_chat/requests").glob("*.json"))
]
PAIR = CompletionsToChat(clock=lambda: 1763000000)
ASKED: dict[str, Any] = {"prompt": "Hi", "echo": True, "logprobs": 1, "stream_options": {"include_usage": True}}


def converted(chunks: list[bytes], *, stream: bool) -> bytes:
    converter = PAIR.converter(Call("req_1", "completions", ASKED, Facts("alias", 1, stream=stream)))
    return relayed(FORMATS["chat"].framing(Facts("alias", 1, stream=stream)), converter, chunks)


def check_stream(answer: bytes) -> None:
    """Chunks as the SDK has them, and nothing after the end."""
    framing = EventFraming()
    datas = [frame[6:] for frame in framing.feed(answer) if frame.startswith(b"data: ")]
    for place, data in enumerate(datas):
        if data.startswith((b"[DONE]", b'{"error"')):
            assert place == len(datas) - 1
        else:
            # Until a choice ends, OpenAI itself sends a null that its own types do not know.
            Completion.model_validate_json(data.replace(b'"finish_reason":null', b'"finish_reason":"stop"'))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
@settings(max_examples=10)
@given(data=st.data())
def test_any_chunking_of_a_stream_gives_the_same_bytes(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes()
    assert converted(pieces(data, text), stream=True) == converted([text], stream=True)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_any_prefix_of_a_stream_is_one_that_the_sdk_reads(path: Path) -> None:
    text = path.read_bytes()
    assert converted(bytewise(text), stream=True) == converted([text], stream=True)
    for length in range(0, len(text), 23):
        check_stream(converted([text[:length]], stream=True))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
@settings(max_examples=10)
@given(data=st.data())
def test_any_chunking_of_a_whole_reply_gives_the_same_bytes(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes()
    out = converted([text], stream=False)
    assert converted(pieces(data, text), stream=False) == out
    if "error" not in json.loads(out):
        Completion.model_validate_json(out)


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=5)
WORDS = st.sampled_from(
    [
        *(
            "id",
            "index",
            "text",
            "content",
            "choices",
            "usage",
            "error",
            "message",
            "delta",
            "finish_reason",
            "created",
        ),
        *("logprobs", "token", "logprob", "top_logprobs", "refusal", "code", "type", "system_fingerprint"),
        *(
            "prompt_tokens",
            "completion_tokens",
            "prompt_tokens_details",
            "prompt",
            "suffix",
            "echo",
            "best_of",
            "n",
            "max_tokens",
            "stop",
            "tools",
            "prompt_embeds",
        ),
    ]
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5))
SAID = JSON | st.fixed_dictionaries({}, optional={"content": JSON, "refusal": JSON})
TOKENS = st.lists(
    st.fixed_dictionaries({}, optional={"token": JSON, "logprob": JSON, "top_logprobs": JSON}), max_size=2
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "delta": SAID,
        "message": SAID,
        "index": SCALARS,
        "finish_reason": JSON,
        "logprobs": JSON | st.fixed_dictionaries({"content": TOKENS}),
        "error": JSON,
    },
)
CHUNKS = JSON | st.fixed_dictionaries(
    {}, optional={"id": JSON, "choices": JSON | st.lists(CHOICES, max_size=2), "created": JSON, "error": JSON}
)


@settings(max_examples=200)
@given(chunks=st.lists(CHUNKS, max_size=6), done=st.booleans())
def test_no_host_makes_a_stream_raise_or_come_out_of_order(chunks: list[Any], done: bool) -> None:
    lines = [b"data: " + json_text.write(chunk) for chunk in chunks] + [b"data: [DONE]"] * done
    check_stream(converted([b"\n\n".join([*lines, b""])], stream=True))


@settings(max_examples=200)
@given(document=CHUNKS)
def test_no_host_makes_a_whole_reply_raise(document: Any) -> None:
    out = converted([json_text.write(document)], stream=False)
    if "error" not in json.loads(out):
        Completion.model_validate_json(out)


@settings(max_examples=300)
@given(body=st.sampled_from(REQUESTS), changes=st.dictionaries(WORDS, JSON, max_size=3))
def test_a_spoiled_request_is_refused_by_name_or_is_a_chat_request(body: dict[str, Any], changes: Any) -> None:
    spoiled = json.loads(json_text.write({**body, **changes}))
    try:
        CompletionsFormat().read(spoiled, 1)
        translated = PAIR.request(spoiled)
    except BadRequest:
        return
    json_text.write(translated.body)
    with contextlib.suppress(BadRequest):
        FORMATS["chat"].read(translated.body, 1)
        PAIRS["completions", "messages"].request(spoiled)
