"""Anthropic's clients on chat hosts: whatever the chunks, and whatever hosts and callers make of their formats."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.translations import GOLDEN, events_of, named, pieces, relayed
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import BadRequest
from tollhouse.wire import FORMATS, json_text
from tollhouse.wire.messages_to_chat import MessagesToChat
from tollhouse.wire.pair import Translated

TRANSCRIPTS = sorted(
    [*(GOLDEN / "messages_to_chat" / "streams").glob("*/upstream.sse"), *(GOLDEN / "transcripts").glob("chat-*.sse")]
)
DOCUMENTS = sorted(
    [*(GOLDEN / "messages_to_chat" / "replies").glob("*/upstream.json"), *(GOLDEN / "transcripts").glob("chat-*.json")]
)
PAIR = MessagesToChat()


def converted(chunks: list[bytes], *, stream: bool) -> bytes:
    facts = Facts("fast", 1, stream=stream)
    framing, converter = FORMATS["chat"].framing(facts), PAIR.converter(Call("req_7", "messages", {}, facts))
    return relayed(framing, converter, chunks)


def blocks_of(stream: bytes) -> list[dict[str, Any]]:
    """The content blocks of a stream, having checked that its events come in Anthropic's order."""
    blocks: list[dict[str, Any]] = []
    opened = ended = False
    for number, event in enumerate(events_of(stream)):
        kind = event["type"]
        assert not ended, "nothing comes after the end"
        assert (kind == "message_start") == (number == 0) or (number == 0 and kind == "error")
        if kind == "content_block_start":
            assert not opened
            assert event["index"] == len(blocks)
            blocks.append({**event["content_block"], "said": ""})
            opened = True
        elif kind in ("content_block_delta", "content_block_stop"):
            assert opened
            assert event["index"] == len(blocks) - 1
            if kind == "content_block_stop":
                opened = False
            else:
                delta = event["delta"]
                name = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
                blocks[-1]["said"] += delta[name[delta["type"]]] if delta["type"] in name else ""
        elif kind == "message_delta":
            assert not opened
        elif kind in ("message_stop", "error"):
            ended = True
    return blocks


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=named)
@settings(max_examples=10)
@given(data=st.data())
def test_any_chunking_of_a_stream_gives_the_same_bytes(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes()
    assert converted(pieces(data, text), stream=True) == converted([text], stream=True)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
@settings(max_examples=10)
@given(data=st.data())
def test_any_chunking_of_a_whole_reply_gives_the_same_bytes(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes()
    out = converted([text], stream=False)
    assert converted(pieces(data, text), stream=False) == out
    if json.loads(out)["type"] == "message":
        Message.model_validate_json(out)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=named)
def test_any_prefix_of_a_stream_is_in_order_and_ends_only_where_its_host_says_so(path: Path) -> None:
    text = path.read_bytes()
    for length in range(0, len(text), 13):
        out = converted([text[:length]], stream=True)
        blocks_of(out)
        assert b"[DONE]" in text[:length] or b"event: message_stop" not in out
        assert converted([text], stream=True).startswith(out.partition(b"event: error")[0])


ARGUMENTS = st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.just({"a": [1, {}]}), max_size=3)


@settings(max_examples=100)
@given(calls=st.lists(ARGUMENTS, min_size=1, max_size=4), data=st.data())
def test_calls_whose_pieces_take_turns_come_out_whole_and_one_after_another(
    calls: list[dict[str, Any]], data: st.DataObject
) -> None:
    waiting = [pieces(data, json.dumps(call).encode()) for call in calls]
    chunks: list[Any] = []
    begun: set[int] = set()
    while any(waiting):
        index = data.draw(st.sampled_from([number for number, left in enumerate(waiting) if left]))
        call: dict[str, Any] = {"index": index, "function": {"arguments": waiting[index].pop(0).decode()}}
        if index not in begun:
            call |= {"id": f"call_{index}"}
            call["function"]["name"] = f"tool_{index}"
            begun.add(index)
        chunks.append({"tool_calls": [call]})
        if data.draw(st.booleans()):
            chunks.append({"content": data.draw(st.sampled_from(["", "a", "b"]))})
    lines = [b"data: " + json.dumps({"id": "x", "choices": [{"delta": delta}]}).encode() for delta in chunks]
    out = converted([b"\n\n".join([*lines, b"data: [DONE]", b""])], stream=True)
    blocks = blocks_of(out)
    made = {block["id"]: json.loads(block["said"]) for block in blocks if block["type"] == "tool_use"}
    assert made == {f"call_{number}": call for number, call in enumerate(calls)}
    assert len([block for block in blocks if block["type"] == "tool_use"]) == len(calls)
    said = "".join(block["said"] for block in blocks if block["type"] == "text")
    assert said == "".join(delta.get("content", "") for delta in chunks)
    assert events_of(out)[-2]["delta"]["stop_reason"] == "tool_use"


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5) | st.just("{}") | st.just("text")

WORDS = st.sampled_from(
    [
        *("id", "index", "type", "text", "content", "name", "function", "arguments", "tool_calls", "reasoning"),
        *("reasoning_details", "reasoning_content", "refusal", "thinking", "extra_content", "usage", "error"),
        *("finish_reason", "stop_reason", "data", "source", "title", "tool_use_id", "input", "cache_control"),
    ]
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5))
CALLS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": SCALARS,
            "id": SCALARS,
            "extra_content": JSON,
            "function": JSON | st.fixed_dictionaries({}, optional={"name": SCALARS, "arguments": SCALARS | JSON}),
        },
    ),
    max_size=3,
)
DELTAS = JSON | st.fixed_dictionaries(
    {},
    optional={"content": JSON, "reasoning": SCALARS, "reasoning_details": JSON, "tool_calls": CALLS, "refusal": JSON},
)
CHOICES = st.fixed_dictionaries({}, optional={"delta": DELTAS, "message": DELTAS, "finish_reason": JSON})
CHUNKS = JSON | st.fixed_dictionaries(
    {}, optional={"id": JSON, "choices": JSON | st.lists(CHOICES, max_size=2), "usage": JSON, "service_tier": JSON}
)


@settings(max_examples=300)
@given(chunks=st.lists(CHUNKS, max_size=8), done=st.booleans())
def test_no_host_makes_a_stream_raise_or_come_out_of_order(chunks: list[Any], done: bool) -> None:
    lines = [b"data: " + json.dumps(chunk).encode() for chunk in chunks] + [b"data: [DONE]"] * done
    blocks_of(converted([b"\n\n".join([*lines, b""])], stream=True))


@settings(max_examples=300)
@given(document=CHUNKS)
def test_no_host_makes_a_whole_reply_raise(document: Any) -> None:
    out = converted([json.dumps(document).encode()], stream=False)
    if json.loads(out)["type"] == "message":
        Message.model_validate_json(out)


@given(noise=st.lists(st.binary(max_size=40) | st.sampled_from([b"data: ", b"\n\n", b"{", b"[DONE]", b"\r"])))
def test_no_bytes_make_a_converter_raise(noise: list[bytes]) -> None:
    for stream in (True, False):
        converted(noise, stream=stream)


KINDS = st.sampled_from(
    [
        *("text", "image", "document", "search_result", "tool_use", "tool_result", "thinking", "redacted_thinking"),
        *("server_tool_use", "web_search_tool_result", "tool_reference", "container_upload", "x"),
    ]
)
BLOCKS = st.lists(
    st.builds(lambda kind, rest: {**rest, "type": kind}, KINDS | JSON, st.dictionaries(WORDS, JSON)), max_size=4
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.text(max_size=3) | BLOCKS}
    ),
    min_size=1,
    max_size=4,
)
REQUESTS = [json.loads(path.read_text()) for path in (GOLDEN / "messages_to_chat" / "requests").glob("*/request.json")]
FIELDS = (
    *("system", "tools", "tool_choice", "thinking", "output_config", "output_format", "metadata", "cache_control"),
    *("mcp_servers", "container", "top_k", "speed", "stop_sequences", "service_tier"),
)


@settings(max_examples=300)
@given(messages=MESSAGES, rest=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3))
def test_a_request_is_translated_or_refused_by_a_path(messages: list[Any], rest: dict[str, Any]) -> None:
    translate({"model": "fast", "max_tokens": 9, "messages": messages, **rest})


@settings(max_examples=300)
@given(request=st.sampled_from(REQUESTS), value=JSON, data=st.data())
def test_a_request_with_one_thing_wrong_is_translated_or_refused_by_a_path(
    request: Any, value: Any, data: st.DataObject
) -> None:
    body = json.loads(json.dumps(request))
    holder, key = data.draw(st.sampled_from([(holder, key) for holder in holders(body) for key in holder]))
    holder[key] = value
    translate(body)


def holders(value: Any) -> Iterator[Any]:
    """Every object inside."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from holders(inner)


def translate(body: dict[str, Any]) -> None:
    refusal = None
    translated = Translated({})
    try:
        FORMATS["messages"].read(body, 1)
        translated = PAIR.request(body)
    except BadRequest as refused:
        refusal = refused
    assert refusal is None or refusal.param
    json_text.write(translated.body)
    assert all(field.isascii() for field in translated.dropped)
