"""Requests of each format: what is checked, what is known of them, and what is written to a host."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import BadRequest, InvalidField
from tollhouse.domain.routes import Host, Manners, Target
from tollhouse.wire import FORM_FORMATS, FORMATS
from tollhouse.wire.batch import ENDPOINTS
from tollhouse.wire.schema import RequestSchema

MESSAGES = [{"role": "user", "content": "Hello"}]
SMALLEST: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": MESSAGES},
    "completions": {"model": "m", "prompt": "Hello"},
    "messages": {"model": "m", "messages": MESSAGES, "max_tokens": 64},
    "count_tokens": {"model": "m", "messages": MESSAGES},
    "embeddings": {"model": "m", "input": "Hello"},
    "responses": {"model": "m", "input": "Hello"},
    "moderations": {"input": "Hello"},
    "rerank": {"model": "m", "query": "Hello", "documents": ["Hello"]},
    "images": {"model": "m", "prompt": "Hello"},
    "speech": {"model": "m", "input": "Hello"},
}
GENERATE = ("chat", "completions", "messages", "responses")
TARGET = Target("m", "host-model", Host("prv_1", "host", "openai", "http://host"), None)


def read(format: str, **fields: Any) -> Facts:
    return FORMATS[format].read({**SMALLEST[format], **fields}, 1234)


def written(format: str, cap: int | None = None, cap_field: str = "max_tokens", **fields: Any) -> bytes:
    body = {**SMALLEST[format], **fields}
    facts = FORMATS[format].read(body, 1)
    before = json.dumps(body)
    out = FORMATS[format].write(Call("req_1", format, body, facts), TARGET, cap, Manners(cap_field))
    assert json.dumps(body) == before, "the caller's body was written to"
    return out


@pytest.mark.parametrize("format", SMALLEST)
def test_the_smallest_request_is_enough(format: str) -> None:
    facts = read(format)
    assert facts.model == ("omni-moderation-latest" if format == "moderations" else "m")
    assert (facts.size >= 1234, facts.choices, facts.media) == (True, 1, 0)
    assert facts.stream == (format == "speech")
    # Tokens bound neither an image nor sound.
    assert facts.surcharged == (format in ("images", "speech"))
    assert facts.generates == (format in GENERATE)
    assert facts.free == (format in ("count_tokens", "moderations"))


def test_every_format_is_read_from_json_or_from_an_upload() -> None:
    assert FORMATS.keys() == SMALLEST.keys() | FORM_FORMATS.keys()
    for format in FORM_FORMATS.values():
        with pytest.raises(BadRequest, match="multipart/form-data"):
            format.read({"model": "m"}, 1)


@pytest.mark.parametrize("format", SMALLEST)
def test_each_required_field_is_named_when_it_is_missing(format: str) -> None:
    for field in SMALLEST[format]:
        body = {name: value for name, value in SMALLEST[format].items() if name != field}
        with pytest.raises(InvalidField) as raised:
            FORMATS[format].read(body, 1)
        assert raised.value.param == field
        assert raised.value.message == f"{field}: this field is required."


@pytest.mark.parametrize(
    ("format", "fields", "param"),
    [
        ("chat", {"model": 5}, "model"),
        ("chat", {"model": ""}, "model"),
        ("chat", {"model": "m" * 201}, "model"),
        ("chat", {"messages": "Hello"}, "messages"),
        ("chat", {"messages": []}, "messages"),
        ("chat", {"messages": ["Hello"]}, "messages[0]"),
        ("chat", {"messages": [*MESSAGES, {"content": "x"}]}, "messages[1].role"),
        ("chat", {"messages": [{"role": "tyrant", "content": "x"}]}, "messages[0].role"),
        ("chat", {"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ("chat", {"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ("chat", {"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ("chat", {"stream": "yes"}, "stream"),
        ("chat", {"stream_options": []}, "stream_options"),
        ("chat", {"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ("chat", {"n": 0}, "n"),
        ("chat", {"n": 1.5}, "n"),
        ("chat", {"n": True}, "n"),
        ("chat", {"max_tokens": "9"}, "max_tokens"),
        ("chat", {"max_tokens": 2**31}, "max_tokens"),
        ("chat", {"max_completion_tokens": -1}, "max_completion_tokens"),
        ("chat", {"temperature": 2.5}, "temperature"),
        ("chat", {"stop": [1]}, "stop[0]"),
        ("chat", {"tools": [None]}, "tools[0]"),
        ("chat", {"modalities": [{}]}, "modalities[0]"),
        ("chat", {"service_tier": {}}, "service_tier"),
        ("messages", {"max_tokens": None}, "max_tokens"),
        ("messages", {"max_tokens": 0}, "max_tokens"),
        ("messages", {"max_tokens": True}, "max_tokens"),
        ("messages", {"messages": [{"role": "user"}]}, "messages[0].content"),
        ("messages", {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ("messages", {"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ("messages", {"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ("messages", {"system": 5}, "system"),
        ("messages", {"stream": "true"}, "stream"),
        ("messages", {"temperature": 1.5}, "temperature"),
        ("messages", {"stop_sequences": "x"}, "stop_sequences"),
        ("messages", {"tools": {}}, "tools"),
        ("completions", {"prompt": 5}, "prompt"),
        ("completions", {"prompt": []}, "prompt"),
        ("completions", {"prompt": [{"text": "x"}]}, "prompt[0]"),
        ("completions", {"prompt": [[1, "x"]]}, "prompt[0][1]"),
        ("completions", {"prompt": [1, -1]}, "prompt[1]"),
        ("completions", {"n": 0}, "n"),
        ("completions", {"best_of": 129}, "best_of"),
        ("completions", {"echo": "yes"}, "echo"),
        ("completions", {"suffix": 5}, "suffix"),
        ("completions", {"logprobs": -1}, "logprobs"),
        ("completions", {"max_tokens": -1}, "max_tokens"),
        ("completions", {"stop": [1]}, "stop[0]"),
        ("completions", {"stream_options": True}, "stream_options"),
        ("count_tokens", {"messages": []}, "messages"),
        ("count_tokens", {"messages": [{"role": "user"}]}, "messages[0].content"),
        ("count_tokens", {"tools": {}}, "tools"),
        ("embeddings", {"input": []}, "input"),
        ("embeddings", {"input": ""}, "input"),
        ("embeddings", {"input": {"a": 1}}, "input"),
        ("embeddings", {"encoding_format": "hex"}, "encoding_format"),
        ("embeddings", {"dimensions": 0}, "dimensions"),
        ("moderations", {"input": []}, "input"),
        ("moderations", {"input": [7]}, "input[0]"),
        ("moderations", {"model": 7}, "model"),
        ("rerank", {"documents": []}, "documents"),
        ("rerank", {"documents": [7]}, "documents[0]"),
        ("rerank", {"query": ""}, "query"),
        ("rerank", {"top_n": 0}, "top_n"),
        ("images", {"prompt": 5}, "prompt"),
        ("images", {"n": 0}, "n"),
        ("images", {"n": 129}, "n"),
        ("images", {"stream": "true"}, "stream"),
        ("speech", {"input": ""}, "input"),
        ("speech", {"voice": 5}, "voice"),
        ("speech", {"speed": "fast"}, "speed"),
        ("speech", {"stream_format": "ws"}, "stream_format"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(format: str, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidField) as raised:
        read(format, **fields)
    assert raised.value.param == param
    assert raised.value.message.startswith(f"{param}: ")
    assert raised.value.message.endswith(".")


@pytest.mark.parametrize(
    ("format", "fields"),
    [
        ("chat", {"model": "my secret prompt " * 20}),
        ("chat", {"messages": "my secret prompt " * 20}),
        ("chat", {"messages": ["my secret prompt " * 20]}),
        ("chat", {"messages": [{"role": "my secret prompt " * 20}]}),
        ("chat", {"messages": [{"content": "my secret prompt " * 20}]}),
        ("chat", {"messages": [{"role": "user", "content": {"text": "my secret prompt " * 20}}]}),
        ("chat", {"stop": [["my secret prompt " * 20]]}),
        ("chat", {"tools": ["my secret prompt " * 20]}),
        ("messages", {"messages": [{"role": "user", "content": ["my secret prompt " * 20]}]}),
        ("messages", {"system": {"text": "my secret prompt " * 20}}),
        ("embeddings", {"input": {"text": "my secret prompt " * 20}}),
        ("embeddings", {"encoding_format": "my secret prompt " * 20}),
    ],
)
def test_a_long_value_is_not_quoted(format: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidField) as raised:
        read(format, **fields)
    assert "secret" not in raised.value.message
    assert len(raised.value.message) < 300


# What is not part of the schema, in any kind; a reader that trips over one answers 500.
ODD = st.sampled_from([None, True, 0, 1.5, "x", [], [[]], {}, {"type": []}, {"type": {}}, [{"type": None}], ["x", 1]])
FIELDS = st.sampled_from(
    [
        "content",
        "type",
        "tools",
        "n",
        "system",
        "cache_control",
        "source",
        "input",
        "modalities",
        "service_tier",
        "stream_options",
        "stream",
        "max_tokens",
        "mcp_servers",
        "web_search_options",
        "speed",
    ]
)
TANGLES = st.recursive(ODD, lambda inner: st.dictionaries(FIELDS, inner, max_size=4) | st.lists(inner, max_size=3))


@pytest.mark.parametrize("format", SMALLEST)
@settings(max_examples=60)
@given(
    fields=st.dictionaries(FIELDS, TANGLES, max_size=4), parts=st.lists(st.dictionaries(FIELDS, TANGLES), max_size=3)
)
def test_any_body_has_facts_or_names_a_field(format: str, fields: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    body = {**SMALLEST[format], **fields}
    if format in GENERATE:
        typed = [{"type": "tool_result", **part} for part in parts]
        body["messages"] = [{"role": "user", "content": typed}]
    try:
        facts = FORMATS[format].read(body, 10)
    except InvalidField:
        return
    assert type(facts.choices) is int
    assert type(facts.media) is int
    assert facts.output_cap is None or type(facts.output_cap) is int


@pytest.mark.parametrize("format", SMALLEST)
def test_unknown_fields_go_on_in_their_order(format: str) -> None:
    fields = {"zeta": {"b": 1, "a": [None]}, "store": False, "alpha": 1.5, "model": "m", "beta": "é\u2028"}
    body = json.loads(written(format, **fields))
    assert list(body) == list({**SMALLEST[format], **fields})
    assert {**body, "model": "m"} == {**SMALLEST[format], **fields}
    assert body["model"] == "host-model"


def test_a_cap_is_written_where_the_host_reads_it_and_only_when_there_is_one() -> None:
    assert json.loads(written("chat", 99, "max_completion_tokens"))["max_completion_tokens"] == 99
    assert json.loads(written("chat", 99))["max_tokens"] == 99
    assert "max_tokens" not in json.loads(written("chat"))
    assert json.loads(written("messages", 20, "max_completion_tokens"))["max_tokens"] == 20
    assert json.loads(written("messages"))["max_tokens"] == 64


@pytest.mark.parametrize("given_options", [None, {}, {"include_usage": False}, {"include_usage": None}])
def test_a_streamed_chat_is_asked_for_its_usage(given_options: dict[str, Any] | None) -> None:
    body = json.loads(written("chat", stream=True, stream_options=given_options))
    assert body["stream_options"] == {"include_usage": True}


def test_other_options_of_a_stream_are_kept() -> None:
    body = json.loads(written("chat", stream=True, stream_options={"include_obfuscation": False}))
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize(("format", "stream"), [("chat", False), ("chat", None), ("messages", True)])
def test_nothing_else_gets_stream_options(format: str, stream: bool | None) -> None:
    assert "stream_options" not in json.loads(written(format, stream=stream))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": 7, "content": "hi"}] * 100_000}, "messages[0].role"),
        ({"messages": [*[{"role": "user", "content": "hi"}] * 1000, {"role": 7}]}, "messages[1000].role"),
        ({"messages": [{"role": 7}] * 1000, "stream": "yes"}, "stream"),
    ],
)
def test_one_error_is_named_however_many_there_are(fields: dict[str, Any], param: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidField) as raised:
        read("chat", **fields)
    assert raised.value.param == param
    assert time.monotonic() - started < 1


def test_what_is_too_long_is_told_how_long_it_may_be() -> None:
    with pytest.raises(InvalidField) as raised:
        FORMATS["chat"].read({"model": "x" * 600, "messages": [{"role": "user", "content": "Hi"}]}, 9)
    assert raised.value.message == "model: this text may have at most 200 characters."


def test_of_a_choice_all_are_told_that_there_are() -> None:
    body = {"input_file_id": "file-1", "endpoint": "/v1/nope", "completion_window": "24h"}
    with pytest.raises(InvalidField) as raised:
        RequestSchema("batch").check(body)
    assert raised.value.message == f"endpoint: it must be one of {', '.join(ENDPOINTS)}."
    with pytest.raises(InvalidField, match="provider_batch: it must be one of auto, never, always, null"):
        RequestSchema("batch").check({**body, "endpoint": "/v1/responses", "provider_batch": True})
