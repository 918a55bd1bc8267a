"""Clients of Chat Completions, served by hosts of Messages. The cases are files in tests/golden/chat_to_messages."""

import json
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from anthropic.types import ContentBlockParam, TextBlockParam, ToolParam
from anthropic.types.message_create_params import MessageCreateParamsBase
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from tests.translations import GOLDEN, events_of, read, relayed
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField
from tollhouse.wire.chat import ChatFormat
from tollhouse.wire.chat_to_messages import ChatToMessages
from tollhouse.wire.families import UNKNOWN, family_of
from tollhouse.wire.framing import EventFraming
from tollhouse.wire.messages import MessagesFormat
from tollhouse.wire.pair import Recipient

FOLDER = GOLDEN / "chat_to_messages"
REQUESTS = sorted((FOLDER / "requests").glob("*.json"))
REPLIES = sorted((FOLDER / "replies").glob("*.json"))
STREAMS = sorted(path for path in (FOLDER / "streams").glob("*.sse") if not path.name.endswith(".client.sse"))
CREATED = 1763000000
PAIR = ChatToMessages(clock=lambda: CREATED + 0.5)
PARTS: dict[str, Any] = {"system": TextBlockParam, "tools": ToolParam, "content": ContentBlockParam}
BARE = {"max_tokens": 9, "messages": [], "model": "m"}


def recipient_of(case: dict[str, Any]) -> Recipient:
    told = case.get("recipient", {})
    family = family_of(told["model"]) if "model" in told else UNKNOWN
    return Recipient(family, cap=told.get("cap"), most=told.get("most"))


def call_of(body: dict[str, Any], *, stream: bool = False) -> Call:
    return Call("req_7", "chat", body, Facts("alias", 1, stream=stream))


def body_of(stream: Path) -> dict[str, Any]:
    told = stream.with_suffix(".call.json")
    return read(told) if told.exists() else {"stream": True}


def converted(text: bytes, body: dict[str, Any]) -> bytes:
    converter = PAIR.converter(call_of(body, stream=True))
    return relayed(EventFraming(), converter, [text])


def completed(document: Any, body: dict[str, Any]) -> Any:
    converter = PAIR.converter(call_of(body))
    text = json.dumps(document).encode()
    for start in range(0, len(text), 7):
        assert converter.feed(text[start : start + 7]) == b""
    return json.loads(converter.finish())


def client_of(answer: bytes) -> openai.OpenAI:
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=answer, headers=headers))
    return openai.OpenAI(api_key="k", max_retries=0, http_client=httpx2.Client(transport=transport))


def read_by_the_sdk(answer: bytes) -> list[ChatCompletionChunk]:
    message: Any = {"role": "user", "content": "hi"}
    return list(client_of(answer).chat.completions.create(model="m", messages=[message], stream=True))


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_a_request_is_translated_and_tells_what_it_lost(path: Path) -> None:
    case = read(path)
    ChatFormat().read(case["request"], 1)
    if "refused" in case:
        with pytest.raises(InvalidField) as refusal:
            PAIR.request(case["request"])
        assert refusal.value.param == case["refused"]
        assert refusal.value.message.startswith(case["refused"])
        return
    translated = PAIR.request(case["request"], recipient_of(case))
    assert translated.body == case["expected"]
    assert list(translated.dropped) == case["dropped"]


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_a_translated_request_is_one_that_hosts_and_their_sdk_know(path: Path) -> None:
    expected = read(path).get("expected")
    if expected is None:
        return
    MessagesFormat().read({"max_tokens": 9, **expected}, 1)
    for name, value in expected.items():
        if name in ("system", "tools"):
            assert all(taken(PARTS[name], one) for one in value)
        elif name == "messages":
            roles = [turn["role"] for turn in value]
            assert all(one != other for one, other in pairwise(roles))
            assert all(taken(PARTS["content"], block) for turn in value for block in turn["content"])
        elif name not in ("stream", "temperature", "top_p", "top_k"):  # of the last three the SDK has no names any more
            assert taken(MessageCreateParamsBase, {**BARE, name: value})


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def taken(kind: Any, value: Any) -> bool:
    """Whether the SDK's own type takes all of it; its lists are read as they are written out."""
    adapter = adapter_of(kind)
    return bool(json.loads(adapter.dump_json(adapter.validate_python(value))) == value)


def test_every_loss_of_a_request_is_in_the_table() -> None:
    table = {loss.field for loss in PAIR.losses}
    lost = {field for path in REQUESTS for field in read(path).get("dropped", ())}
    assert lost - table == {"some_new_thing"}
    assert all(loss.why for loss in PAIR.losses)


def test_fields_that_nobody_knows_do_not_make_a_header_of_any_length() -> None:
    unknown = {f"x{number}": 1 for number in range(1000)}
    body = {"model": "m", "messages": [{"role": "user", "content": "hi", "name": "a"}] * 50, "seed": 1, **unknown}
    dropped = PAIR.request(body).dropped
    assert len(dropped) < 50
    assert {"messages[].name", "seed", "*"} <= set(dropped)


def test_a_translation_leaves_the_clients_body_as_it_was() -> None:
    for path in REQUESTS:
        case = read(path)
        before = json.dumps(case["request"])
        if "expected" in case:
            PAIR.request(case["request"])
        assert json.dumps(case["request"]) == before


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.stem)
def test_a_whole_reply_is_a_completion_that_the_sdk_knows(path: Path) -> None:
    case = read(path)
    completion = completed(case["message"], case["call"])
    assert completion == case["completion"]
    if "choices" in completion:
        ChatCompletion.model_validate(completion, strict=True)
        assert (completion["model"], completion["created"]) == ("alias", CREATED)


@pytest.mark.parametrize("text", [b"", b"<html>", b"[1]", b'{"type":"error","error":{"type":"api_error"}}', b"{}"])
def test_what_is_no_message_is_never_made_a_success(text: bytes) -> None:
    converter = PAIR.converter(call_of({}))
    converter.feed(text)
    assert converter.finish() == text


def test_a_message_of_odd_shapes_is_converted_as_far_as_it_goes() -> None:
    blocks = [7, {"type": "text", "text": None}, {"type": "tool_use", "input": [1]}, {"type": []}, {"type": "text"}]
    document = {"id": 5, "content": [*blocks, {"type": "thinking"}], "usage": [], "stop_reason": {}, "stop_details": 3}
    choice = completed(document, {})["choices"][0]
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "", "arguments": "[1]"}


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_is_converted_event_by_event(path: Path) -> None:
    answer = converted(path.read_bytes(), body_of(path))
    assert answer == path.with_suffix(".client.sse").read_bytes()
    for chunk in events_of(answer):
        if "error" not in chunk:
            ChatCompletionChunk.model_validate(chunk, strict=True)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_ends_once_and_only_when_the_host_said_so(path: Path) -> None:
    ended = b"message_stop" in path.read_bytes() and not path.stem.startswith(("error", "an-event"))
    answer = path.with_suffix(".client.sse").read_bytes()
    assert answer.count(b"data: [DONE]\n\n") == ended
    assert answer.endswith(b"data: [DONE]\n\n") == ended
    reasons = [choice["finish_reason"] for chunk in events_of(answer) for choice in chunk.get("choices", ())]
    assert len([reason for reason in reasons if reason]) == ended


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_the_sdk_reads_a_stream_to_its_end_or_raises_the_error_in_it(path: Path) -> None:
    answer = path.with_suffix(".client.sse").read_bytes()
    if b'"error":' in answer:
        with pytest.raises(openai.APIError, match=r"Overloaded|not JSON"):
            read_by_the_sdk(answer)
        return
    state = ChatCompletionStreamState()
    for chunk in read_by_the_sdk(answer):
        state.handle_chunk(chunk)
    choice = state.current_completion_snapshot.choices[0]
    assert choice.message.role == "assistant"
    assert bool(choice.finish_reason) == (b"[DONE]" in answer)


def test_usage_is_told_only_where_it_was_asked_for() -> None:
    for path in STREAMS:
        asked = "stream_options" in body_of(path)
        chunks = [chunk for chunk in events_of(path.with_suffix(".client.sse").read_bytes()) if "error" not in chunk]
        assert all(("usage" in chunk) == asked for chunk in chunks)
        told = [chunk for chunk in chunks if chunk.get("usage")]
        assert all(chunk["choices"] == [] for chunk in told)


def test_a_signature_survives_the_round_trip_through_the_client() -> None:
    """Streamed, put together by the SDK, sent back as the SDK dumps it."""
    state = ChatCompletionStreamState()
    for chunk in read_by_the_sdk((FOLDER / "streams" / "thoughts-signed-and-redacted.client.sse").read_bytes()):
        state.handle_chunk(chunk)
    answered = state.get_final_completion().choices[0].message.model_dump(exclude_none=True)
    again = {"model": "m", "messages": [{"role": "user", "content": "hi"}, answered, {"role": "user", "content": "on"}]}
    translated = PAIR.request(again)
    assert translated.dropped == ()
    assert translated.body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm. So.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "thinking", "thinking": "", "signature": "bm8="},
        {"type": "text", "text": "Yes."},
    ]


def test_a_whole_reply_survives_the_round_trip_through_the_client() -> None:
    case = read(FOLDER / "replies" / "thoughts-signed-and-redacted.json")
    message = ChatCompletion.model_validate(case["completion"]).choices[0].message.model_dump()
    translated = PAIR.request({"model": "m", "messages": [{"role": "user", "content": "hi"}, message]})
    assert translated.dropped == ()
    assert translated.body["messages"][1]["content"] == case["message"]["content"]


def test_an_input_deeper_than_can_be_written_is_no_failure() -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    block = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": deep}
    said = completed({"content": [block]}, {})["choices"][0]["message"]
    assert said["tool_calls"][0]["function"]["arguments"].startswith("<nested")
    event = json.dumps({"type": "content_block_start", "index": 0, "content_block": block}).encode()
    stop = b'{"type":"content_block_stop","index":0}'
    assert b"<nested" in converted(b"data: " + event + b"\n\ndata: " + stop + b"\n\n", {"stream": True})


def test_a_completion_has_an_id_where_the_host_gave_none() -> None:
    assert completed({"content": []}, {})["id"] == "chatcmpl-7"


def test_created_is_the_time_of_the_reply() -> None:
    assert json.loads(_whole(ChatToMessages()))["created"] > CREATED


def _whole(pair: ChatToMessages) -> bytes:
    converter = pair.converter(call_of({}))
    converter.feed(b'{"content":[]}')
    return converter.finish()


MARKED: Mapping[str, Any] = {
    "messages[0].content[0]": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "MARK": 0}]}]},
    "messages[0]": {"messages": [{"role": "user", "content": "Hi", "MARK": 0}]},
    "tools[0]": {"tools": [{"type": "function", "function": {"name": "f"}, "MARK": 0}]},
    "tools[0].function": {"tools": [{"type": "function", "function": {"name": "f", "cache_control": 0}}]},
    "": {"cache_control": 0},
}


@pytest.mark.parametrize("mark", [True, 7, "ephemeral", ["ephemeral"]])
@pytest.mark.parametrize("name", ["cache_control", "prompt_cache_breakpoint"])
@pytest.mark.parametrize("place", MARKED)
def test_a_cache_mark_of_a_wrong_type_is_refused_by_its_place(place: str, name: str, mark: Any) -> None:
    if '"cache_control"' in json.dumps(MARKED[place]):
        name = "cache_control"
    text = json.dumps(MARKED[place]).replace("MARK", name).replace(f'"{name}": 0', f'"{name}": {json.dumps(mark)}')
    with pytest.raises(InvalidField) as refused:
        PAIR.request({"model": "m", "messages": [{"role": "user", "content": "hi"}], **json.loads(text)})
    assert refused.value.param == f"{place}.{name}".removeprefix(".")
