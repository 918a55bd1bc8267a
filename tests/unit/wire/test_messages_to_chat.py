"""Anthropic's clients on chat hosts: the requests, replies and streams of the golden folder, as the SDKs see them."""

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat.completion_create_params import CompletionCreateParams
from pydantic import TypeAdapter

from tests.translations import GOLDEN, events_of, folders, read, relayed
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField, ThreadsUnsupported
from tollhouse.wire import FORMATS
from tollhouse.wire.dialects import error_body
from tollhouse.wire.framing import EventFraming
from tollhouse.wire.messages_to_chat import MessagesToChat
from tollhouse.wire.messages_to_chat.sealed import is_sealed
from tollhouse.wire.pair import Recipient

FOLDER = GOLDEN / "messages_to_chat"
PAIR = MessagesToChat()
CHAT_REQUEST: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
WEATHER = {"name": "get_weather", "input_schema": {"type": "object"}}


def recipient_of(folder: Path) -> Recipient:
    path = folder / "recipient.json"
    told = read(path) if path.exists() else {}
    return Recipient(refuses=frozenset(told.get("refuses", ())), breakpoints=bool(told.get("breakpoints")))


def call_of(folder: Path, *, stream: bool) -> Call:
    path = folder / "call.json"
    return Call("req_7", "messages", read(path) if path.exists() else {}, Facts("fast", 1, stream=stream))


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "fast", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}], **fields}


def converse(*turns: Any) -> dict[str, Any]:
    """A request of these turns, the user's first."""
    roles = ("user", "assistant")
    return asked(messages=[{"role": roles[number % 2], "content": turn} for number, turn in enumerate(turns)])


def whole(upstream: bytes, call: Call) -> bytes:
    converter = PAIR.converter(call)
    return converter.feed(upstream[:11]) + converter.feed(upstream[11:]) + converter.finish()


def streamed(upstream: bytes, call: Call) -> bytes:
    return relayed(EventFraming(), PAIR.converter(call), [upstream])


def as_anthropics_sdk_reads(stream: bytes) -> Message:
    """The message that the official client makes of it. Nothing leaves the process: the transport answers."""
    headers = {"content-type": "text/event-stream", "x-should-retry": "false"}
    answer = httpx2.MockTransport(lambda request: httpx2.Response(200, content=stream, headers=headers))
    with httpx2.Client(transport=answer) as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http)
        request: Any = asked()
        with client.messages.stream(**request) as reply:
            return reply.get_final_message()


def plain(message: Message) -> Any:
    return json.loads(message.model_dump_json(exclude_unset=True))


@pytest.mark.parametrize("folder", folders("messages_to_chat", "requests"))
def test_a_request_is_asked_in_chats_words(folder: Path) -> None:
    request, expected = read(folder / "request.json"), read(folder / "expected.json")
    before = json.dumps(request)
    translated = PAIR.request(request, recipient_of(folder))
    assert translated.body == expected["body"]
    assert sorted(translated.dropped) == expected["dropped"]
    assert json.dumps(request) == before, "nobody writes to a call's body"


@pytest.mark.parametrize("folder", folders("messages_to_chat", "requests"))
def test_what_is_asked_is_a_chat_request_to_openais_sdk_and_to_the_gateway(folder: Path) -> None:
    body = PAIR.request(read(folder / "request.json"), recipient_of(folder)).body
    CHAT_REQUEST.validate_python(body)
    assert FORMATS["chat"].read(body, 1).output_cap == read(folder / "request.json")["max_tokens"]


@pytest.mark.parametrize("folder", folders("messages_to_chat", "requests"))
def test_what_a_request_loses_is_in_the_table(folder: Path) -> None:
    named = {loss.field for loss in PAIR.losses}
    dropped = PAIR.request(read(folder / "request.json"), recipient_of(folder)).dropped
    assert {field for field in dropped if field in named or field.isidentifier()} == set(dropped)


def test_every_loss_has_a_request_that_shows_it() -> None:
    shown = {field for folder in (FOLDER / "requests").iterdir() for field in read(folder / "expected.json")["dropped"]}
    assert {loss.field for loss in PAIR.losses if not loss.field.startswith("reply: ")} <= shown


@pytest.mark.parametrize("folder", folders("messages_to_chat", "replies"))
def test_a_whole_reply_is_the_message_that_the_chat_completion_means(folder: Path) -> None:
    out = json.loads(whole((folder / "upstream.json").read_bytes(), call_of(folder, stream=False)))
    assert out == read(folder / "client.json")
    if out["type"] == "message":
        assert plain(Message.model_validate(out)) == out
    else:
        assert out["type"] == "error"


@pytest.mark.parametrize("folder", folders("messages_to_chat", "streams"))
def test_a_stream_is_the_events_that_the_chunks_mean(folder: Path) -> None:
    out = streamed((folder / "upstream.sse").read_bytes(), call_of(folder, stream=True))
    assert out == (folder / "client.sse").read_bytes()
    for event in events_of(out):
        if event["type"] not in ("ping", "error"):
            EVENT.validate_python(event)


@pytest.mark.parametrize("folder", folders("messages_to_chat", "streams"))
def test_anthropics_sdk_makes_the_right_message_of_a_stream(folder: Path) -> None:
    out = streamed((folder / "upstream.sse").read_bytes(), call_of(folder, stream=True))
    kinds = [event["type"] for event in events_of(out)]
    if "error" in kinds:
        with pytest.raises(anthropic.APIStatusError):
            as_anthropics_sdk_reads(out)
    elif (folder / "message.json").exists():
        assert kinds.count("message_stop") == 1
        assert kinds[-1] == "message_stop"
        assert plain(as_anthropics_sdk_reads(out)) == read(folder / "message.json")
    else:
        assert folder.name.startswith("cut")
        assert "message_stop" not in kinds
        assert "message_delta" not in kinds


@pytest.mark.parametrize(
    ("thinking", "kind"), [({"type": "adaptive"}, "thinking"), ({"type": "disabled"}, "redacted_thinking")]
)
def test_thinking_with_its_details_and_signed_calls_comes_back_to_the_host_of_the_same_model(
    thinking: dict[str, Any], kind: str
) -> None:
    details = [{"type": "reasoning.text", "text": "Hm.", "signature": "EqQB", "index": 0}]
    signed = {"google": {"thought_signature": "EjQK"}}
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    said = {
        "role": "assistant",
        "content": "Let me look.",
        "reasoning": "Hm.",
        "reasoning_details": details,
        "tool_calls": [{**call, "extra_content": signed}],
    }
    upstream = json.dumps({"id": "x", "choices": [{"message": said, "finish_reason": "tool_calls"}]}).encode()
    message = json.loads(whole(upstream, Call("req_7", "messages", {"thinking": thinking}, Facts("fast", 1))))
    result = [{"type": "tool_result", "tool_use_id": "call_1", "content": "Rain."}]
    request = converse("Weather?", message["content"], result)
    back = PAIR.request(request)
    assert back.body["messages"][1] == said
    assert back.dropped == ()
    elsewhere = PAIR.request({**request, "model": "slow"})
    assert elsewhere.body["messages"][1] == {"role": "assistant", "content": "Let me look.", "tool_calls": [call]}
    assert elsewhere.dropped == (f"messages[].content[].{kind}",)


@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}, {"type": "between_tools"}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_did_not_ask_for_thinking_finds_the_text_first(
    thinking: dict[str, Any] | None, *, stream: bool
) -> None:
    said = {"reasoning_content": "Hm.", "reasoning_details": [{"data": "x"}], "content": "Yes."}
    call = Call("req_7", "messages", {"thinking": thinking}, Facts("fast", 1, stream=stream))
    choice = {"delta" if stream else "message": said, "finish_reason": "stop"}
    upstream = json.dumps({"id": "x", "choices": [choice]}).encode()
    if stream:
        message = as_anthropics_sdk_reads(streamed(b"data: " + upstream + b"\n\ndata: [DONE]\n\n", call))
    else:
        message = Message.model_validate_json(whole(upstream, call))
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text == "Yes."


def test_thoughts_that_came_as_a_part_are_hidden_and_come_back_as_one() -> None:
    upstream = read(FOLDER / "replies" / "thinking-parts" / "upstream.json")
    said = upstream["choices"][0]["message"]
    said["tool_calls"] = [{"id": "c", "type": "function", "function": {"name": "a", "arguments": "{}"}}]
    message = json.loads(whole(json.dumps(upstream).encode(), Call("req_7", "messages", {}, Facts("fast", 1))))
    assert [block["type"] for block in message["content"]] == ["text", "redacted_thinking", "tool_use"]
    back = PAIR.request(converse("What is it?", message["content"])).body["messages"][1]
    assert [part for part in said["content"] if part["type"] == "thinking"] == [
        part for part in back["content"] if part["type"] == "thinking"
    ]


@pytest.mark.parametrize("name", ["thinking-then-text", "thinking-details-signed-late", "whole-calls-without-index"])
def test_thoughts_of_a_stream_come_back_too(name: str) -> None:
    folder = FOLDER / "streams" / name
    content = read(folder / "message.json")["content"]
    back = PAIR.request(converse("What is it?", content))
    assert back.dropped == ("messages[-1].role",)
    message = back.body["messages"][1]
    assert {*message} & {"reasoning_content", "reasoning_details"} or message["tool_calls"][0]["extra_content"]


def test_thoughts_that_came_as_a_part_of_the_content_come_back_as_one() -> None:
    content = read(FOLDER / "replies" / "thinking-parts" / "client.json")["content"]
    message = PAIR.request(converse("What is it?", content)).body["messages"][1]
    upstream = read(FOLDER / "replies" / "thinking-parts" / "upstream.json")
    assert message["content"] == upstream["choices"][0]["message"]["content"]


@pytest.mark.parametrize("seal", ["th1.", "th1.e30=", "th1.ä", "th1.W10=", "th1." + "WwAA" * 99, "", None, 7])
def test_a_seal_that_somebody_tampered_with_is_another_hosts_signature(seal: object) -> None:
    request = converse("Hello", [{"type": "thinking", "thinking": "Hm.", "signature": seal}], "Hello")
    assert PAIR.request(request).dropped == ("messages[].content[].thinking",)


@pytest.mark.parametrize(
    ("budget", "effort"), [(1024, "low"), (4095, "low"), (4096, "medium"), (16383, "medium"), (16384, "high")]
)
def test_a_budget_of_thoughts_is_an_effort(budget: int, effort: str) -> None:
    body = PAIR.request(asked(thinking={"type": "enabled", "budget_tokens": budget})).body
    assert body["reasoning_effort"] == effort


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_an_effort_that_is_named_goes_before_the_budget(effort: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    assert PAIR.request(asked(output_config={"effort": effort}, thinking=thinking)).body["reasoning_effort"] == effort


def test_adaptive_thinking_is_left_to_the_host() -> None:
    translated = PAIR.request(asked(thinking={"type": "adaptive"}))
    assert "reasoning_effort" not in translated.body
    assert translated.dropped == ()


def test_thinking_between_tools_is_lost_and_the_effort_is_not() -> None:
    translated = PAIR.request(asked(thinking={"type": "between_tools"}, output_config={"effort": "low"}))
    assert translated.body["reasoning_effort"] == "low"
    assert translated.dropped == ("thinking.type",)


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object"}, False),
        ({"type": "object", "additionalProperties": False}, True),
        ({"properties": {"enum": {"type": "object"}}, "required": ["enum"], "additionalProperties": False}, False),
        ({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": True}]}, False),
        ({"type": "array", "items": {"type": "string"}, "default": {"type": "object"}}, True),
    ],
)
def test_a_schema_is_strict_where_nothing_in_it_is_open_or_optional(schema: dict[str, Any], strict: bool) -> None:
    body = PAIR.request(asked(output_config={"format": {"type": "json_schema", "schema": schema}})).body
    assert body["response_format"]["json_schema"]["strict"] is strict


def test_thoughts_are_known_to_be_this_gateways_own() -> None:
    for name in ("reasoning-content", "thinking-parts"):
        assert is_sealed(read(FOLDER / "replies" / name / "client.json")["content"][0]["signature"])
    assert not is_sealed("EqQBCgIYAhIM")


@pytest.mark.parametrize(
    ("choice", "chats"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
            {
                "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
                "parallel_tool_calls": False,
            },
        ),
    ],
)
def test_a_choice_of_tools_is_chats(choice: dict[str, Any], chats: dict[str, Any]) -> None:
    body = PAIR.request(asked(tools=[WEATHER], tool_choice=choice)).body
    assert {name: body[name] for name in ("tool_choice", "parallel_tool_calls") if name in body} == chats


@pytest.mark.parametrize("choice", [{"type": "auto", "disable_parallel_tool_use": True}, {"type": "none"}])
def test_a_choice_among_no_tools_is_left_out(choice: dict[str, Any]) -> None:
    body = PAIR.request(asked(tool_choice=choice)).body
    assert not {"tool_choice", "parallel_tool_calls", "tools"} & {*body}


USED = [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}]
ANSWERED = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain."}]
PNG = {"type": "base64", "media_type": "image/png"}
URL = {"type": "url", "url": "https://example.com/a.pdf"}


@pytest.mark.parametrize(
    ("request_body", "param"),
    [
        (asked(mcp_servers=[{"type": "url"}]), "mcp_servers"),
        (asked(container="container_1"), "container"),
        (asked(inference_geo="us"), "inference_geo"),
        (asked(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools[0].type"),
        (asked(tools=[WEATHER, {"name": "x"}]), "tools[1].input_schema"),
        (asked(tools=[{"input_schema": {}}]), "tools[0].name"),
        (asked(tool_choice={"type": "any"}), "tool_choice"),
        (asked(tools=[WEATHER], tool_choice="any"), "tool_choice"),
        (asked(tools=[WEATHER], tool_choice={"type": "some"}), "tool_choice.type"),
        (asked(tools=[WEATHER], tool_choice={"type": "tool"}), "tool_choice.name"),
        (asked(system=[{"type": "image"}]), "system[0].type"),
        (asked(system=[{"text": "Be brief."}]), "system[0].type"),
        (converse([{"type": ["text"]}]), "messages[0].content[0].type"),
        (asked(system=[{"type": "text"}]), "system[0].text"),
        (asked(thinking={"type": "enabled"}), "thinking.budget_tokens"),
        (asked(thinking=True), "thinking"),
        (asked(output_config={"effort": 3}), "output_config.effort"),
        (asked(output_config={"format": {"type": "text"}}), "output_config.format.type"),
        (asked(output_format={"type": "json_schema"}), "output_format.schema"),
        (asked(metadata=[1]), "metadata"),
        (converse([{"type": "container_upload", "file_id": "f"}]), "messages[0].content[0].type"),
        (converse([{"type": "text", "text": 1}]), "messages[0].content[0].text"),
        (converse([{"type": "image"}]), "messages[0].content[0].source"),
        (converse([{"type": "image", "source": {"type": "file"}}]), "messages[0].content[0].source.type"),
        (converse([{"type": "document", "source": URL}]), "messages[0].content[0].source.type"),
        (
            converse([{"type": "tool_result", "tool_use_id": "toolu_9", "content": ""}]),
            "messages[0].content[0].tool_use_id",
        ),
        (converse([{"type": "tool_result"}]), "messages[0].content[0].tool_use_id"),
        (
            converse("Hi", USED, [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "x"}]}]),
            "messages[2].content[0].content[0].type",
        ),
        (converse("Hi", [{"type": "tool_use", "id": "t", "name": "n", "input": []}]), "messages[1].content[0].input"),
        (converse("Hi", USED, "And?"), "messages[1].content[0].id"),
        (converse("Hi", [*USED, {**USED[0], "id": "toolu_2"}], ANSWERED), "messages[1].content[1].id"),
        (converse("Hi", USED, [{"type": "text", "text": "And?"}]), "messages[1].content[0].id"),
        (converse([{"type": "image", "source": {**PNG, "data": "{}"}}]), "messages[0].content[0].source.data"),
        (converse([{"type": "image", "source": {**PNG, "data": ""}}]), "messages[0].content[0].source.data"),
        (converse([{"type": "document", "source": {**PNG, "data": "%PDF"}}]), "messages[0].content[0].source.data"),
        (converse("Hi", [{"type": "image", "source": URL}]), "messages[1].content[0].type"),
    ],
)
def test_what_would_come_to_mean_something_else_is_refused_by_its_path(
    request_body: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        PAIR.request(request_body)
    assert refused.value.param == param
    assert refused.value.message.startswith(f"{param}: ")


def test_a_conversation_that_the_host_should_keep_is_refused_so_that_sdks_send_all_of_it() -> None:
    with pytest.raises(ThreadsUnsupported) as refused:
        PAIR.request({**converse("Hi"), "thread": {"type": "create"}})
    told = error_body(refused.value, "anthropic", "req_7")["error"]
    assert told["type"] == "invalid_request_error"
    assert told["details"] == {"error_code": "thread_unsupported_request"}


def test_a_stop_sequence_that_was_not_asked_for_is_no_reason_to_stop() -> None:
    folder = FOLDER / "replies" / "stop-sequence"
    call = Call("req_7", "messages", {"stop_sequences": ["OTHER"]}, Facts("fast", 1))
    out = json.loads(whole((folder / "upstream.json").read_bytes(), call))
    assert (out["stop_reason"], out["stop_sequence"]) == ("end_turn", None)


def test_a_piece_comes_out_as_soon_as_it_came_in() -> None:
    converter = PAIR.converter(Call("req_7", "messages", {}, Facts("fast", 1, stream=True)))
    for text in (b"Once", b" upon"):
        out = converter.feed(b'data: {"id":"x","choices":[{"delta":{"content":"' + text + b'"}}]}\n\n')
        assert text in out


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"a":' * 999 + b"1" + b"}" * 999, b"\xff"])
def test_what_is_no_chat_completion_is_an_error(text: bytes) -> None:
    out = json.loads(whole(text, Call("req_7", "messages", {}, Facts("fast", 1))))
    assert (out["type"], out["error"]["type"]) == ("error", "api_error")
