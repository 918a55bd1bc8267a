"""Responses clients on chat hosts: requests, replies and streams of the golden folder, as OpenAI's SDK sees them."""

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParams
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParams
from pydantic import TypeAdapter

from tests.translations import GOLDEN, events_of, folders, read, relayed
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.identifiers import new_id
from tollhouse.wire.chat import ChatFormat
from tollhouse.wire.chat_to_messages import ChatToMessages
from tollhouse.wire.composed import Composed
from tollhouse.wire.framing import EventFraming
from tollhouse.wire.pair import ANYONE, Pair, Recipient
from tollhouse.wire.responses import ResponsesFormat
from tollhouse.wire.responses_to_chat import ResponsesToChat
from tollhouse.wire.responses_to_chat.response import created_at

FOLDER = GOLDEN / "responses_to_chat"
PAIR = ResponsesToChat()
REQUEST: TypeAdapter[Any] = TypeAdapter(ResponseCreateParams)
CHAT_REQUEST: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
BEYOND_THE_SDK = ("all-that-is-lost", "audio")
WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


def call_of(folder: Path, *, stream: bool) -> Call:
    path = folder / "call.json"
    body = read(path) if path.exists() else {}
    return Call("req_01kb2x3y4z5abcdefghjkmnpqr", "responses", body, Facts("fast", 1, stream=stream))


def asked(*items: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "fast", "input": [{"role": "user", "content": "Hello"}, *items], **fields}


def whole(upstream: bytes, call: Call, pair: Pair = PAIR) -> bytes:
    converter = pair.converter(call)
    return converter.feed(upstream[:11]) + converter.feed(upstream[11:]) + converter.finish()


def recipient_of(folder: Path) -> Recipient:
    path = folder / "recipient.json"
    return Recipient(refuses=frozenset(read(path)["refuses"])) if path.exists() else ANYONE


def streamed(upstream: bytes, call: Call, pair: Pair = PAIR) -> bytes:
    return relayed(EventFraming(), pair.converter(call), [upstream])


def as_openais_sdk_reads(stream: bytes) -> Response:
    """The response that the official client makes of it. Nothing leaves the process: the transport answers."""
    headers = {"content-type": "text/event-stream"}
    answer = httpx2.MockTransport(lambda request: httpx2.Response(200, content=stream, headers=headers))
    with (
        httpx2.Client(transport=answer) as http,
        openai.OpenAI(api_key="k", base_url="http://gateway/v1", max_retries=0, http_client=http) as client,
        client.responses.stream(model="fast", input="Hello") as reply,
    ):
        return reply.get_final_response()


def plain(response: Response) -> Any:
    """Without what the SDK itself puts in."""
    told = json.loads(response.model_dump_json(exclude_unset=True, by_alias=True))
    for item in told["output"]:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or ():
            part.pop("parsed", None)
    return told


@pytest.mark.parametrize("folder", folders("responses_to_chat", "requests"))
def test_a_request_is_asked_in_chats_words(folder: Path) -> None:
    request, expected = read(folder / "request.json"), read(folder / "expected.json")
    before = json.dumps(request)
    translated = PAIR.request(request, recipient_of(folder))
    assert translated.body == expected["body"]
    assert sorted(translated.dropped) == expected["dropped"]
    assert json.dumps(request) == before, "nobody writes to a call's body"


@pytest.mark.parametrize("folder", folders("responses_to_chat", "requests"))
def test_what_is_asked_is_a_request_of_either_format_to_openais_sdk_and_to_the_gateway(folder: Path) -> None:
    request = read(folder / "request.json")
    body = PAIR.request(request, recipient_of(folder)).body
    if folder.name not in BEYOND_THE_SDK:
        REQUEST.validate_python(request)
    CHAT_REQUEST.validate_python(body)
    cap = request.get("max_output_tokens")
    assert ResponsesFormat().read(request, 1).output_cap == ChatFormat().read(body, 1).output_cap == cap


@pytest.mark.parametrize("folder", folders("responses_to_chat", "requests"))
def test_what_a_request_loses_is_in_the_table(folder: Path) -> None:
    named = {loss.field for loss in PAIR.losses}
    dropped = PAIR.request(read(folder / "request.json"), recipient_of(folder)).dropped
    assert {field for field in dropped if field in named or field.endswith("new")} == set(dropped)


def test_every_loss_has_a_request_that_shows_it() -> None:
    shown = {field for folder in (FOLDER / "requests").iterdir() for field in read(folder / "expected.json")["dropped"]}
    assert {loss.field for loss in PAIR.losses if not loss.field.startswith("reply: ")} <= shown


@pytest.mark.parametrize("folder", folders("responses_to_chat", "replies"))
def test_a_whole_reply_is_the_response_that_the_chat_completion_means(folder: Path) -> None:
    out = json.loads(whole((folder / "upstream.json").read_bytes(), call_of(folder, stream=False)))
    assert out == read(folder / "client.json")
    if "id" in out:
        assert plain(Response.model_validate(out)) == out
    else:
        assert isinstance(out["error"]["message"], str)


@pytest.mark.parametrize("folder", folders("responses_to_chat", "streams"))
def test_a_stream_is_the_events_that_the_chunks_mean(folder: Path) -> None:
    out = streamed((folder / "upstream.sse").read_bytes(), call_of(folder, stream=True))
    assert out == (folder / "client.sse").read_bytes()
    told = events_of(out)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    for event in told:
        EVENT.validate_python(event)


@pytest.mark.parametrize("folder", folders("responses_to_chat", "streams"))
def test_openais_sdk_makes_the_right_response_of_a_stream(folder: Path) -> None:
    out = streamed((folder / "upstream.sse").read_bytes(), call_of(folder, stream=True))
    last = events_of(out)[-1]
    if last["type"] == "response.completed":
        assert plain(as_openais_sdk_reads(out)) == last["response"]
        return
    with pytest.raises(RuntimeError, match=r"response\.completed"):
        as_openais_sdk_reads(out)
    if folder.name.startswith("cut"):
        assert last["type"].endswith(".delta")
    else:
        assert last["type"] == f"response.{last['response']['status']}"


@pytest.mark.parametrize("folder", folders("responses_to_chat", "streams"))
def test_what_a_stream_says_bit_by_bit_is_what_it_says_at_its_end(folder: Path) -> None:
    told = events_of(streamed((folder / "upstream.sse").read_bytes(), call_of(folder, stream=True)))
    done = [event for event in told if event["type"] == "response.output_item.done"]
    if told[-1]["type"] in ("response.completed", "response.incomplete"):
        by_index = sorted(done, key=lambda event: event["output_index"])
        assert [event["item"] for event in by_index] == told[-1]["response"]["output"]
        assert [event["output_index"] for event in by_index] == list(range(len(done)))
    for item in [event["item"] for event in done]:
        said = "".join(event["delta"] for event in told if event.get("item_id") == item["id"] and "delta" in event)
        parts = item.get("content") or ()
        texts = [part.get("text") or part.get("refusal") or "" for part in parts]
        assert said == "".join([*texts, item.get("arguments", ""), item.get("input", "")])


def test_a_client_gets_its_first_event_with_the_first_of_the_host_and_each_piece_at_once() -> None:
    converter = PAIR.converter(call_of(FOLDER, stream=True))
    first = converter.feed(b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n')
    assert [event["type"] for event in events_of(first)] == ["response.created", "response.in_progress"]
    assert b"Hi" in converter.feed(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n')


def test_the_time_of_a_response_is_that_of_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_764_255_463_999_000_000)
    assert created_at(new_id("req").removeprefix("req_")) == 1_764_255_463
    assert [created_at(stem) for stem in ("", "7", "!!!!!!!!!!!!")] == [0, 0, 0]


def back_and_forth(folder: Path, model: str = "fast") -> tuple[Any, tuple[str, ...]]:
    """The assistant's message in the next request, and what it lost."""
    streams = (folder / "upstream.sse").exists()
    if streams:
        out = events_of(streamed((folder / "upstream.sse").read_bytes(), call_of(folder, stream=True)))[-1]["response"]
    else:
        out = json.loads(whole((folder / "upstream.json").read_bytes(), call_of(folder, stream=False)))
    translated = PAIR.request({**asked(*out["output"]), "model": model})
    return translated.body["messages"][-1], translated.dropped


@pytest.mark.parametrize(
    "name", ["reasoning-content", "reasoning-details", "thinking-parts", "thinking-blocks", "signed-tool-call"]
)
def test_what_a_host_thought_and_signed_comes_back_to_the_same_model(name: str) -> None:
    message, dropped = back_and_forth(FOLDER / "replies" / name)
    said = read(FOLDER / "replies" / name / "upstream.json")["choices"][0]["message"]
    assert message == said
    assert dropped == ()


@pytest.mark.parametrize("name", ["reasoning-content", "thinking-blocks", "signed-tool-call"])
def test_no_other_model_gets_the_thoughts_of_one(name: str) -> None:
    message, dropped = back_and_forth(FOLDER / "replies" / name, "slow")
    assert "input[].encrypted_content" in dropped
    assert not {"reasoning_content", "thinking_blocks"} & message.keys()
    assert all("extra_content" not in call for call in message.get("tool_calls", ()))


def test_what_was_signed_late_in_a_stream_is_joined_again() -> None:
    message, dropped = back_and_forth(FOLDER / "streams" / "details-signed-late")
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Hm.", "index": 0, "signature": "EqQB"},
    ]
    assert (message["content"], message["reasoning"], dropped) == ("Four.", "Hm.", ())


def test_thoughts_come_back_also_from_a_client_that_keeps_no_more_than_what_is_encrypted() -> None:
    item = read(FOLDER / "replies" / "reasoning-content" / "client.json")["output"][0]
    kept = {"type": "reasoning", "summary": [], "encrypted_content": item["encrypted_content"]}
    body = PAIR.request(asked(kept, {"role": "assistant", "content": "Four."})).body
    assert body["messages"][-1]["reasoning_content"] == "Two and two."


@pytest.mark.parametrize("seal", ["rs1.", "rs1.e30=", "rs1.ä", "rs1.W10=", "rs1." + "WwAA" * 99, "", None, 7])
def test_a_seal_that_somebody_tampered_with_is_another_hosts(seal: Any) -> None:
    item = {"type": "reasoning", "summary": [], "encrypted_content": seal}
    translated = PAIR.request(asked(item))
    assert len(translated.body["messages"]) == 1
    assert translated.dropped == (("input[].encrypted_content",) if seal else ())


IMAGE = {"type": "input_image", "image_url": "https://example.com/a.png"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}


def user(*parts: Any) -> dict[str, Any]:
    return {"model": "fast", "input": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("request_body", "param"),
    [
        *(
            (asked(tools=[WEATHER, {"type": kind}]), "tools[1].type")
            for kind in (
                *("web_search", "web_search_preview", "file_search", "computer_use_preview", "mcp", "namespace"),
                *("code_interpreter", "image_generation", "local_shell"),
            )
        ),
        (asked(tools=[{"type": "function"}]), "tools[0].name"),
        (asked(tools=[{}]), "tools[0].type"),
        (asked(tools=[{**WEATHER, "parameters": []}]), "tools[0].parameters"),
        (asked(tool_choice="required"), "tool_choice"),
        (asked(tools=[WEATHER], tool_choice="any"), "tool_choice"),
        (asked(tools=[WEATHER], tool_choice={"type": "web_search_preview"}), "tool_choice.type"),
        (asked(tools=[WEATHER], tool_choice={"type": "function"}), "tool_choice.name"),
        (asked(tools=[WEATHER], tool_choice={"type": "allowed_tools", "tools": []}), "tool_choice.mode"),
        (
            asked(
                tools=[WEATHER],
                tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "x"}]},
            ),
            "tool_choice.tools[0].name",
        ),
        (asked(prompt={"id": "pmpt_1"}), "prompt"),
        (asked(text={"format": {"type": "grammar"}}), "text.format.type"),
        (asked(text={"format": {"type": "json_schema", "name": "x"}}), "text.format.schema"),
        (asked(text={"format": {"type": "json_schema", "schema": {}}}), "text.format.name"),
        (asked(reasoning={"effort": 3}), "reasoning.effort"),
        ({"model": "fast", "input": []}, "input"),
        ({"model": "fast", "previous_response_id": "resp_1"}, "input"),
        (asked({"type": "item_reference", "id": "msg_1"}), "input[1].type"),
        (asked({"type": "computer_call"}), "input[1].type"),
        (asked({"type": "compaction", "encrypted_content": "x"}), "input[1].type"),
        (asked({"content": "Hello"}), "input[1].role"),
        (asked({"role": "user"}), "input[1].content"),
        (asked({"type": "function_call", "name": "f", "arguments": "{}"}), "input[1].call_id"),
        (asked({**CALL, "arguments": {}}), "input[1].arguments"),
        (asked({"type": "function_call_output", "call_id": "call_9", "output": ""}), "input[1].call_id"),
        (asked(CALL, {"type": "function_call_output", "call_id": "call_1"}), "input[2].output"),
        (asked({"role": "assistant", "content": [IMAGE]}), "input[1].content[0].type"),
        (
            asked({"role": "system", "content": [{"type": "input_text", "text": "x"}, IMAGE]}),
            "input[1].content[1].type",
        ),
        (user({"type": "input_video"}), "input[0].content[0].type"),
        (user({"text": "x"}), "input[0].content[0].type"),
        (user({"type": "input_text"}), "input[0].content[0].text"),
        (user({"type": "input_image"}), "input[0].content[0].image_url"),
        (user({"type": "input_image", "file_id": "file-1"}), "input[0].content[0].file_id"),
        (user({"type": "input_file", "file_url": "https://example.com/a.pdf"}), "input[0].content[0].file_url"),
        (user({"type": "input_file", "filename": "a.pdf"}), "input[0].content[0].file_data"),
    ],
)
def test_what_would_come_to_mean_something_else_is_refused_by_its_path(
    request_body: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        PAIR.request(request_body)
    assert refused.value.param == param
    assert refused.value.message.startswith(f"{param}: ")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"a":' * 999 + b"1" + b"}" * 999, b"\xff"])
def test_what_is_no_chat_completion_is_an_error(text: bytes) -> None:
    out = json.loads(whole(text, call_of(FOLDER, stream=False)))
    assert out["error"]["code"] == "server_error"


MESSAGES_HOST: Any = Composed(PAIR, ChatToMessages(clock=lambda: 7.0))


@pytest.mark.parametrize("path", sorted((GOLDEN / "chat_to_messages" / "streams").glob("*s.sse")), ids=lambda p: p.stem)
def test_a_stream_of_messages_is_one_of_responses_by_way_of_chat(path: Path) -> None:
    body = asked(stream=True)
    call = Call("req_7", "responses", body, Facts("fast", 1, stream=True))
    told = events_of(streamed(path.read_bytes(), call, MESSAGES_HOST))
    for event in told:
        EVENT.validate_python(event)
    if told[-1]["type"] == "response.completed":
        assert told[-1]["response"]["usage"]["input_tokens"]


def test_signed_thoughts_of_a_messages_host_come_back_to_it_by_way_of_chat() -> None:
    upstream = (GOLDEN / "chat_to_messages" / "streams" / "thoughts-signed-and-redacted.sse").read_bytes()
    call = Call("req_7", "responses", asked(stream=True), Facts("fast", 1, stream=True))
    output = events_of(streamed(upstream, call, MESSAGES_HOST))[-1]["response"]["output"]
    back = MESSAGES_HOST.request(asked(*output, {"role": "user", "content": "More."}))
    kinds = [block["type"] for block in back.body["messages"][1]["content"]]
    assert {"thinking", "redacted_thinking"} <= {*kinds}
    assert all(block["signature"] for block in back.body["messages"][1]["content"] if block["type"] == "thinking")
    assert back.dropped == ()
