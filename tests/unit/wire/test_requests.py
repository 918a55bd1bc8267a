"""Requests of each format: what is checked, what is known of them, and what is written to a host."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.routes import Host, Target
from tollhouse.wire import FORMATS

MESSAGES = [{"role": "user", "content": "Hello"}]
SMALLEST: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": MESSAGES},
    "messages": {"model": "m", "messages": MESSAGES, "max_tokens": 64},
    "embeddings": {"model": "m", "input": "Hello"},
}
TARGET = Target("m", "host-model", Host("prv_1", "host", "openai", "http://host"), None)
IMAGE = {"type": "image_url", "image_url": {"url": "https://host/a.png"}}


def read(format: str, **fields: Any) -> Facts:
    return FORMATS[format].read({**SMALLEST[format], **fields}, 1234)


def written(format: str, cap: int | None = None, cap_field: str = "max_tokens", **fields: Any) -> bytes:
    body = {**SMALLEST[format], **fields}
    facts = FORMATS[format].read(body, 1)
    before = json.dumps(body)
    out = FORMATS[format].write(Call("req_1", format, body, facts), TARGET, cap, cap_field)
    assert json.dumps(body) == before, "the caller's body was written to"
    return out


@pytest.mark.parametrize("format", FORMATS)
def test_the_smallest_request_is_enough(format: str) -> None:
    facts = read(format)
    assert (facts.model, facts.size, facts.stream, facts.choices, facts.media) == ("m", 1234, False, 1, 0)
    assert not facts.surcharged
    assert facts.generates == (format != "embeddings")


@pytest.mark.parametrize("format", FORMATS)
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
        ("embeddings", {"input": []}, "input"),
        ("embeddings", {"input": ""}, "input"),
        ("embeddings", {"input": {"a": 1}}, "input"),
        ("embeddings", {"encoding_format": "hex"}, "encoding_format"),
        ("embeddings", {"dimensions": 0}, "dimensions"),
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
    ["content", "type", "tools", "n", "system", "cache_control", "source", "tool_result", "input", "modalities"]
    + ["service_tier", "stream_options", "stream", "max_tokens", "mcp_servers", "web_search_options", "speed"]
)
TANGLES = st.recursive(ODD, lambda inner: st.dictionaries(FIELDS, inner, max_size=4) | st.lists(inner, max_size=3))


@pytest.mark.parametrize("format", FORMATS)
@given(
    fields=st.dictionaries(FIELDS, TANGLES, max_size=4), parts=st.lists(st.dictionaries(FIELDS, TANGLES), max_size=3)
)
def test_any_body_has_facts_or_names_a_field(format: str, fields: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    body = {**SMALLEST[format], **fields}
    if format != "embeddings":
        typed = [{"type": "tool_result", **part} for part in parts]
        body["messages"] = [{"role": "user", "content": typed}]
    try:
        facts = FORMATS[format].read(body, 10)
    except InvalidField as error:
        assert error.message
        return
    assert type(facts.choices) is int
    assert type(facts.media) is int
    assert facts.output_cap is None or type(facts.output_cap) is int


@pytest.mark.parametrize("format", FORMATS)
def test_unknown_fields_go_on_in_their_order(format: str) -> None:
    fields = {"zeta": {"b": 1, "a": [None]}, "alpha": 1.5, "model": "m", "beta": "é\u2028"}
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
    ("fields", "cap"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 60}, 60),
        ({"max_tokens": 50, "max_completion_tokens": 60}, 50),
        ({"max_tokens": 70, "max_completion_tokens": 60}, 60),
        ({"max_tokens": None, "max_completion_tokens": 60}, 60),
    ],
)
def test_of_two_caps_the_smaller_counts(fields: dict[str, Any], cap: int | None) -> None:
    assert read("chat", **fields).output_cap == cap


def test_a_number_written_as_a_fraction_is_a_whole_number_in_the_facts() -> None:
    facts = read("chat", max_tokens=16.0, n=2.0)
    assert (repr(facts.output_cap), repr(facts.choices)) == ("16", "2")
    assert repr(read("messages", max_tokens=16.0).output_cap) == "16"


def test_choices_messages_and_tools_are_counted() -> None:
    facts = read("chat", n=3, messages=MESSAGES * 4, tools=[{"type": "function"}, {"type": "custom"}], stream=True)
    assert (facts.choices, facts.messages, facts.tools, facts.stream, facts.surcharged) == (3, 4, 2, True, False)
    assert read("chat", n=None, tools=None, stream=None).choices == 1


@pytest.mark.parametrize(
    ("content", "media"),
    [
        ([{"type": "text", "text": "x"}, {"type": "refusal", "refusal": "x"}], 0),
        ([IMAGE, {"type": "text", "text": "x"}, IMAGE], 2),
        ([{"type": "input_audio"}, {"type": "file"}, {"type": "new-kind"}, {"no": "type"}, {"type": []}], 5),
        (None, 0),
    ],
)
def test_parts_of_a_chat_that_are_no_text_are_media(content: Any, media: int) -> None:
    assert read("chat", messages=[{"role": "user", "content": content}]).media == media


IMAGE_BLOCK = {"type": "image", "source": {"type": "url", "url": "https://host/a.png"}}


@pytest.mark.parametrize(
    ("content", "media"),
    [
        ("text", 0),
        ([{"type": "text"}, {"type": "thinking"}, {"type": "redacted_thinking"}, {"type": "tool_use"}], 0),
        ([IMAGE_BLOCK, {"type": "document"}, {"type": "new-kind"}, {"type": {}}], 4),
        ([{"type": "tool_result", "content": "text"}, {"type": "tool_result"}], 0),
        ([{"type": "tool_result", "content": [{"type": "text"}, IMAGE_BLOCK, IMAGE_BLOCK]}], 2),
        ([{"type": "tool_result", "content": [{"type": "tool_result", "content": [IMAGE_BLOCK]}, 5]}], 2),
    ],
)
def test_blocks_that_are_no_text_are_media_inside_tool_results_too(content: Any, media: int) -> None:
    assert read("messages", messages=[{"role": "user", "content": content}]).media == media


def test_objects_to_embed_are_media() -> None:
    assert read("embeddings", input=["a", "b"]).media == 0
    assert read("embeddings", input=[[1, 2], [3]]).media == 0
    assert read("embeddings", input=[{"image": "https://host/a.png"}, "a"]).media == 1


HOUR = {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize(
    ("format", "fields"),
    [
        ("chat", {"tools": [{"type": "web_search"}]}),
        ("chat", {"tools": [{"type": "function"}, {}]}),
        ("chat", {"web_search_options": {"search_context_size": "low"}}),
        ("chat", {"service_tier": "priority"}),
        ("chat", {"modalities": ["text", "audio"]}),
        ("messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        ("messages", {"mcp_servers": [{"type": "url", "url": "https://host"}]}),
        ("messages", {"speed": "fast"}),
        ("messages", {"inference_geo": "us"}),
        ("messages", {"cache_control": HOUR}),
        ("messages", {"system": [{"type": "text", "text": "x", "cache_control": HOUR}]}),
        ("messages", {"tools": [{"name": "f", "cache_control": HOUR}]}),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "cache_control": HOUR}]}]}),
        (
            "messages",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "content": [{"type": "text", "cache_control": HOUR}]}],
                    }
                ]
            },
        ),
    ],
)
def test_what_may_be_billed_above_list_prices_is_known(format: str, fields: dict[str, Any]) -> None:
    assert read(format, **fields).surcharged


@pytest.mark.parametrize(
    ("format", "fields"),
    [
        ("chat", {"service_tier": "flex", "modalities": ["text"], "web_search_options": None}),
        ("chat", {"service_tier": "default", "tools": [{"type": "function"}, {"type": "custom"}]}),
        ("messages", {"tools": [{"name": "f"}, {"type": "custom", "name": "g"}], "mcp_servers": []}),
        ("messages", {"cache_control": {"type": "ephemeral"}, "speed": "standard", "inference_geo": "global"}),
        ("messages", {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "5m"}}]}),
    ],
)
def test_what_is_billed_at_list_prices_is_not_surcharged(format: str, fields: dict[str, Any]) -> None:
    assert not read(format, **fields).surcharged
