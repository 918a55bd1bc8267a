"""OpenAI Responses as a format: what is known of a request, what is sent, and what a reply used."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.routes import Host, Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire.responses import ResponsesFormat, ResponsesStreamMeter, responses_usage

FOLDER = Path(__file__).parents[2] / "golden" / "transcripts"
EXPECTED = {
    name: row
    for name, row in json.loads((FOLDER / "expected.json").read_text()).items()
    if row["format"] == "responses"
}
FORMAT = ResponsesFormat()
FACTS = Facts("m", 10, stream=True)
HOST = Host("h_1", "host", "openai", "https://host.example")
TARGET = Target("m", "gpt-x", HOST, None)
IMAGE = {"type": "input_image", "image_url": "https://example.com/a.png"}
TEXT = {"type": "input_text", "text": "Hello"}


def facts(**fields: Any) -> Facts:
    return FORMAT.read({"model": "m", "input": "Hello", **fields}, 1234)


def message(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def test_caps_items_tools_and_the_stream_are_facts() -> None:
    assert facts() == Facts(model="m", size=1234, messages=1)
    items = [message(TEXT), {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]
    told = facts(
        input=items, instructions="Be brief.", tools=[{"type": "function"}], max_output_tokens=16.0, stream=True
    )
    assert (told.messages, told.tools, told.output_cap, told.stream, told.surcharged) == (3, 1, 16, True, False)
    assert repr(told.output_cap) == "16"


@pytest.mark.parametrize(
    ("items", "media"),
    [
        ([message(TEXT, {"type": "output_text"}, {"type": "refusal"})], 0),
        ([message(IMAGE, TEXT, {"type": "input_file"})], 2),
        ([message({"no": "type"}, {"type": []})], 2),
        ([{"type": "reasoning", "content": [{"type": "reasoning_text"}], "summary": [{"type": "summary_text"}]}], 0),
        ([{"type": "function_call_output", "output": [TEXT, IMAGE]}], 1),
        ([{"type": "custom_tool_call"}, {"type": "custom_tool_call_output", "output": "x"}], 0),
        ([{"type": "web_search_call"}, {"type": "item_reference"}, {"type": "image_generation_call"}], 3),
    ],
)
def test_what_its_bytes_do_not_bound_is_media(items: list[Any], media: int) -> None:
    assert facts(input=items).media == media


def test_a_prompt_that_the_host_keeps_has_no_bound() -> None:
    told = facts(input=None, prompt={"id": "pmpt_1"})
    assert (told.media, told.surcharged) == (1, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function"}, {"type": "web_search"}]},
        {"tools": [{}]},
        {"service_tier": "priority"},
        {"prompt_cache_options": {"ttl": "12h"}},
        {"input": [message({**TEXT, "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}})]},
        {"input": [message({"type": "input_audio"})]},
    ],
)
def test_what_may_be_billed_above_list_prices_is_known(fields: dict[str, Any]) -> None:
    assert facts(**fields).surcharged


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function"}, {"type": "custom"}, {"type": "namespace"}]},
        {"service_tier": "flex", "tools": None, "prompt_cache_options": {"ttl": "30m"}},
        {"input": [message({**TEXT, "prompt_cache_breakpoint": {"mode": "explicit"}})]},
    ],
)
def test_what_is_billed_at_list_prices_is_not_surcharged(fields: dict[str, Any]) -> None:
    assert not facts(**fields).surcharged


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": 7}]}, "input[0].type"),
        ({"input": [message("x")]}, "input[0].content[0]"),
        ({"instructions": ["x"]}, "instructions"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 10**20}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"tools": {}}, "tools"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"conversation": {}}, "conversation.id"),
        ({"truncation": "some"}, "truncation"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidField) as refused:
        facts(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize("state", [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}])
def test_where_something_went_before_there_need_be_no_input(state: dict[str, Any]) -> None:
    assert FORMAT.read({"model": "m", **state}, 1).messages == 1


def test_a_request_goes_on_as_it_is_but_for_the_models_name_and_a_cap() -> None:
    body = {"new": {"b": 1, "a": 2}, "model": "m", "input": "Hello", "max_output_tokens": 99, "store": False}
    call = Call("req_1", "responses", body, facts())
    sent = FORMAT.write(call, TARGET, None, Manners())
    assert sent == b'{"new":{"b":1,"a":2},"model":"gpt-x","input":"Hello","max_output_tokens":99,"store":false}'
    assert orjson.loads(FORMAT.write(call, TARGET, 16, Manners())) == {
        **body,
        "model": "gpt-x",
        "max_output_tokens": 16,
    }
    assert body["model"] == "m"


def test_input_tokens_include_the_cached_ones() -> None:
    told = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 150,
    }
    assert responses_usage(told) == Usage(input=30, cache_read=60, cache_write=10, output=50, reasoning=30)
    assert responses_usage({"input_tokens": -1, "output_tokens": "x", "input_tokens_details": []}) == Usage()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_transcript_has_the_usage_that_its_vendor_meant(name: str) -> None:
    facts = Facts("m", 10, stream=name.endswith(".sse"))
    framing, meter = FORMAT.framing(facts), FORMAT.meter(facts, 77)
    text = (FOLDER / name).read_bytes()
    for frame in [*framing.feed(text), *framing.finish()]:
        meter.feed(frame)
    meter.finish()
    row = EXPECTED[name]
    assert meter.usage() == Usage(**row["usage"])
    assert (meter.complete, meter.refused) == (row["complete"], row.get("refused", False))
    assert (meter.problem is None) == (meter.complete and not meter.refused)


def test_the_first_event_is_the_point_of_no_return_and_the_first_delta_the_first_token() -> None:
    meter = ResponsesStreamMeter(FACTS, 1)
    meter.feed(b": keep-alive\n\n")
    assert not meter.started
    meter.feed(b'event: response.created\ndata: {"type":"response.created","response":{"usage":null}}\n\n')
    assert (meter.started, meter.first_token) == (True, False)
    meter.feed(b'data: {"type":"response.output_text.delta","delta":""}\n\n')
    assert not meter.first_token
    meter.feed(b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\n')
    assert meter.first_token


@pytest.mark.parametrize("event", [b'{"type":"error","message":"x"}', b'{"type":"response.failed","response":{}}'])
def test_a_failure_at_once_does_not_begin_a_reply(event: bytes) -> None:
    meter = ResponsesStreamMeter(FACTS, 1)
    meter.feed(b"data: " + event + b"\n\n")
    assert (meter.started, meter.refused) == (False, True)


def test_a_long_delta_of_a_cut_stream_is_estimated_by_its_bytes() -> None:
    meter = ResponsesStreamMeter(FACTS, 1000)
    meter.feed(b'data: {"type":"response.output_text.delta","delta":"' + b"x" * 4000 + b'","obfuscation":"abc"}\n\n')
    assert meter.usage() == Usage(input=1000, output=1000, estimated=True)
