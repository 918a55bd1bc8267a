"""Responses clients on chat hosts: whatever the chunks, and whatever hosts and callers make of their formats."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.translations import GOLDEN, bytewise, events_of, named, pieces, relayed
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import BadRequest
from tollhouse.wire import FORMATS, json_text
from tollhouse.wire.chat_to_messages import ChatToMessages
from tollhouse.wire.responses import ResponsesFormat
from tollhouse.wire.responses_to_chat import ResponsesToChat
from tollhouse.wire.stream_events import chat_chunk

TRANSCRIPTS = sorted(
    [*(GOLDEN / "responses_to_chat" / "streams").glob("*/upstream.sse"), *(GOLDEN / "transcripts").glob("chat-*.sse")]
)
DOCUMENTS = sorted(
    [*(GOLDEN / "responses_to_chat" / "replies").glob("*/upstream.json"), *(GOLDEN / "transcripts").glob("chat-*.json")]
)
REQUESTS = [json.loads(path.read_text()) for path in sorted((GOLDEN / "responses_to_chat").glob("requests/*/req*"))]
PAIR = ResponsesToChat()
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def converted(chunks: list[bytes], *, stream: bool) -> bytes:
    facts = Facts("fast", 1, stream=stream)
    framing, converter = FORMATS["chat"].framing(facts), PAIR.converter(Call("req_7", "responses", {}, facts))
    return relayed(framing, converter, chunks)


def items_of(stream: bytes) -> list[dict[str, Any]]:
    """The output items as their deltas say them, having checked that the events come in OpenAI's order."""
    items: list[dict[str, Any]] = []
    done: set[int] = set()
    ended = False
    for number, event in enumerate(events_of(stream)):
        kind, index = event["type"], event.get("output_index")
        assert not ended, "nothing comes after the end"
        assert event["sequence_number"] == number
        assert (kind == "response.created") == (number == 0)
        assert (kind == "response.in_progress") == (number == 1)
        EVENT.validate_python(event)
        if kind == "response.output_item.added":
            assert index == len(items)
            items.append({**event["item"], "said": [], "parts": 0})
        elif kind == "response.output_item.done":
            assert index not in done
            done.add(index)
            assert event["item"]["id"] == items[index]["id"]
        elif index is not None:
            assert index not in done
            item = items[index]
            assert event["item_id"] == item["id"]
            if kind == "response.content_part.added":
                assert event["content_index"] == item["parts"]
                item["parts"] += 1
            elif kind.endswith(".delta"):
                assert event.get("content_index", 0) == max(0, item["parts"] - 1)
                item["said"].append(event["delta"])
        if kind in TERMINAL:
            ended = True
            assert [one["id"] for one in event["response"]["output"]] == [one["id"] for one in items]
            assert kind == "response.failed" or len(done) == len(items)
    return items


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=named)
@settings(max_examples=10)
@given(data=st.data())
def test_any_chunking_of_a_stream_gives_the_same_bytes(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes()
    assert converted(pieces(data, text), stream=True) == converted([text], stream=True)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=named)
def test_one_byte_at_a_time_is_a_chunking_too(path: Path) -> None:
    text = path.read_bytes()
    assert converted(bytewise(text), stream=True) == converted([text], stream=True)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
@settings(max_examples=10)
@given(data=st.data())
def test_any_chunking_of_a_whole_reply_gives_the_same_bytes(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes()
    out = converted([text], stream=False)
    assert converted(pieces(data, text), stream=False) == out
    if "id" in json.loads(out):
        Response.model_validate_json(out)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=named)
def test_any_prefix_of_a_stream_is_in_order_and_ends_only_where_its_host_says_so(path: Path) -> None:
    text = path.read_bytes()
    for length in range(0, len(text), 37):
        out = converted([text[:length]], stream=True)
        items_of(out)
        assert b"[DONE]" in text[:length] or b"event: response.completed" not in out
        assert converted([text], stream=True).startswith(out.partition(b"event: response.failed")[0])


ARGUMENTS = st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.just({"a": [1, {}]}), max_size=3)


@settings(max_examples=100)
@given(calls=st.lists(ARGUMENTS, min_size=1, max_size=4), data=st.data())
def test_calls_whose_pieces_take_turns_come_out_whole_and_apart(calls: list[dict[str, Any]], data: Any) -> None:
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
    items = items_of(out)
    made = {item["call_id"]: json.loads("".join(item["said"])) for item in items if item["type"] == "function_call"}
    assert made == {f"call_{number}": call for number, call in enumerate(calls)}
    last = events_of(out)[-1]["response"]["output"]
    assert {one["call_id"]: json.loads(one["arguments"]) for one in last if one["type"] == "function_call"} == made
    said = "".join("".join(item["said"]) for item in items if item["type"] == "message")
    assert said == "".join(delta.get("content", "") for delta in chunks)


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5) | st.just("{}") | st.just("text")
WORDS = st.sampled_from(
    [
        *("id", "index", "type", "text", "content", "name", "function", "arguments", "tool_calls", "reasoning"),
        *("reasoning_details", "reasoning_content", "thinking_blocks", "refusal", "thinking", "extra_content"),
        *("usage", "error", "code", "message", "finish_reason", "custom", "input", "annotations", "url_citation"),
        *("url", "start_index", "end_index", "logprobs", "token", "bytes", "top_logprobs", "signature", "role"),
        *("call_id", "output", "summary", "encrypted_content", "image_url", "detail", "format", "tools", "mode"),
    ]
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5))
CALLS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": SCALARS,
            "id": SCALARS,
            "type": SCALARS | st.just("custom"),
            "extra_content": JSON,
            "function": JSON | st.fixed_dictionaries({}, optional={"name": SCALARS, "arguments": SCALARS | JSON}),
            "custom": JSON | st.fixed_dictionaries({}, optional={"name": SCALARS, "input": SCALARS | JSON}),
        },
    ),
    max_size=3,
)
DELTAS = JSON | st.fixed_dictionaries(
    {},
    optional={
        "content": JSON,
        "reasoning": SCALARS,
        "reasoning_details": JSON,
        "thinking_blocks": JSON,
        "tool_calls": CALLS,
        "refusal": JSON,
        "annotations": JSON,
    },
)
CHOICES = st.fixed_dictionaries(
    {}, optional={"delta": DELTAS, "message": DELTAS, "finish_reason": JSON, "logprobs": JSON, "error": JSON}
)
CHUNKS = JSON | st.fixed_dictionaries(
    {}, optional={"id": JSON, "choices": JSON | st.lists(CHOICES, max_size=2), "usage": JSON, "service_tier": JSON}
)


@settings(max_examples=300)
@given(chunks=st.lists(CHUNKS, max_size=8), done=st.booleans())
def test_no_host_makes_a_stream_raise_or_come_out_of_order(chunks: list[Any], done: bool) -> None:
    lines = [b"data: " + json.dumps(chunk).encode() for chunk in chunks] + [b"data: [DONE]"] * done
    items_of(converted([b"\n\n".join([*lines, b""])], stream=True))


@settings(max_examples=300)
@given(document=CHUNKS)
def test_no_host_makes_a_whole_reply_raise(document: Any) -> None:
    out = converted([json.dumps(document).encode()], stream=False)
    if "id" in json.loads(out):
        Response.model_validate_json(out)


@settings(max_examples=200)
@given(message=DELTAS, reason=st.sampled_from(["stop", "length", None]))
def test_a_reply_says_the_same_whole_and_streamed(message: Any, reason: str | None) -> None:
    choice = {"finish_reason": reason, "message": message, "delta": message}
    document = json.dumps({"id": "x", "choices": [choice]}).encode()
    told = json.loads(converted([document], stream=False))
    last = events_of(converted([b"data: " + document + b"\n\ndata: [DONE]\n\n"], stream=True))[-1]["response"]
    if chat_chunk(json.loads(document)):
        assert last["status"] == "failed", "the meter refuses such a whole reply"
    else:
        assert ("id" not in told and not isinstance(message, dict)) or told == last


@given(noise=st.lists(st.binary(max_size=40) | st.sampled_from([b"data: ", b"\n\n", b"{", b"[DONE]", b"\r"])))
def test_no_bytes_make_a_converter_raise(noise: list[bytes]) -> None:
    for stream in (True, False):
        converted(noise, stream=stream)


def spoiled(value: Any, data: st.DataObject) -> Any:
    """The same with something in it replaced, or left out."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 3)):
        name = data.draw(st.sampled_from(sorted(value)))
        rest = {key: inner for key, inner in value.items() if key != name}
        return rest if data.draw(st.integers(0, 4)) == 0 else {**rest, name: spoiled(value[name], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 3)):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], spoiled(value[index], data), *value[index + 1 :]]
    return data.draw(JSON)


@settings(max_examples=500)
@given(data=st.data())
def test_a_spoiled_request_is_refused_by_name_or_is_a_chat_request(data: st.DataObject) -> None:
    body = spoiled(data.draw(st.sampled_from(REQUESTS)), data)
    if not isinstance(body, dict):
        return
    try:
        ResponsesFormat().read(body, 1)
        translated = PAIR.request(body)
    except BadRequest:
        return
    json_text.write(translated.body)
    FORMATS["chat"].read(translated.body, 1)
    with contextlib.suppress(BadRequest):
        ChatToMessages().request(translated.body)
    for path in translated.dropped:
        assert path.isascii()
        assert path.isprintable()
    json.loads(whole_reply_to(body))


def whole_reply_to(body: dict[str, Any]) -> bytes:
    facts = Facts("fast", 1)
    converter = PAIR.converter(Call("req_7", "responses", body, facts))
    converter.feed(b'{"choices":[{"index":0,"message":{"content":"Hi"}}]}')
    return converter.finish()
