"""Usage as hosts tell it, sane or not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.domain.call import Facts
from tollhouse.domain.usage import Usage
from tollhouse.wire.chat import ChatFormat, ChatStreamMeter
from tollhouse.wire.format import Meter
from tollhouse.wire.messages import MessagesStreamMeter
from tollhouse.wire.responses import ResponsesStreamMeter
from tollhouse.wire.vocabulary import anthropic_usage, count, openai_usage

FACTS = Facts("m", 400, stream=True)
NONSENSE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})
OPENAI = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": NONSENSE,
        "completion_tokens": NONSENSE,
        "total_tokens": NONSENSE,
        "prompt_tokens_details": NONSENSE
        | st.fixed_dictionaries({"cached_tokens": NONSENSE, "cache_write_tokens": NONSENSE}),
        "completion_tokens_details": NONSENSE | st.fixed_dictionaries({"reasoning_tokens": NONSENSE}),
    },
)
ANTHROPIC = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": NONSENSE,
        "cache_read_input_tokens": NONSENSE,
        "cache_creation_input_tokens": NONSENSE,
        "output_tokens": NONSENSE,
        "output_tokens_details": NONSENSE | st.fixed_dictionaries({"thinking_tokens": NONSENSE}),
    },
)


@pytest.mark.parametrize("value", [None, True, -1, 1.5, "7", [], {}])
def test_what_is_no_count_counts_nothing(value: Any) -> None:
    assert count(value) == 0


def test_an_absurd_count_is_bounded() -> None:
    assert count(10**30) == 2**31 - 1


@given(OPENAI)
def test_openais_counts_are_disjoint_and_never_negative(told: dict[str, Any]) -> None:
    usage = openai_usage(told)
    assert usage.prompt == count(told.get("prompt_tokens"))
    assert min(usage.input, usage.cache_read, usage.cache_write, usage.output) >= 0
    assert 0 <= usage.reasoning <= usage.output
    assert usage.output >= count(told.get("completion_tokens"))


@given(ANTHROPIC)
def test_anthropics_counts_are_taken_as_they_are(told: dict[str, Any]) -> None:
    usage = anthropic_usage(told)
    assert usage.input == count(told.get("input_tokens"))
    assert usage.cache_read == count(told.get("cache_read_input_tokens"))
    assert usage.cache_write == count(told.get("cache_creation_input_tokens"))
    assert 0 <= usage.reasoning <= usage.output == count(told.get("output_tokens"))


@pytest.mark.parametrize(("total", "output"), [(15, 5), (19, 9), (None, 5), (10**6, 5)])
def test_thoughts_are_added_only_where_the_total_says_that_they_are_missing(total: int | None, output: int) -> None:
    told = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": total}
    assert openai_usage({**told, "completion_tokens_details": {"reasoning_tokens": 4}}) == Usage(10, 0, 0, output, 4)


def test_output_after_an_interim_usage_is_estimated_on_top_of_it() -> None:
    meter = ChatStreamMeter(FACTS, 1000)
    meter.feed(b'data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\n')
    assert meter.usage() == Usage(input=9, output=1)
    meter.feed(b'data: {"choices":[{"delta":{"content":"b"}}]}\n\n')
    assert meter.usage() == Usage(input=9, output=2, estimated=True)


def test_a_long_delta_of_a_cut_messages_stream_is_estimated_by_its_bytes() -> None:
    meter = MessagesStreamMeter(FACTS, 1000)
    text = b"x" * 4000
    delta = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"' + text + b'"}}'
    meter.feed(b"event: content_block_delta\ndata: " + delta + b"\n\n")
    assert meter.usage().estimated
    assert meter.usage().input == 1000
    assert 990 <= meter.usage().output <= 1010


def test_the_first_token_is_seen_with_the_first_output_and_not_with_the_role() -> None:
    chat, messages = ChatStreamMeter(FACTS, 1), MessagesStreamMeter(FACTS, 1)
    chat.feed(b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n')
    messages.feed(b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n')
    assert (chat.started, chat.first_token, messages.started, messages.first_token) == (True, False, True, False)
    chat.feed(b'data: {"choices":[{"delta":{"refusal":"No"}}]}\n\n')
    messages.feed(b'data: {"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"Hm"}}\n\n')
    assert chat.first_token
    assert messages.first_token


def test_a_comment_or_a_ping_does_not_start_a_reply() -> None:
    chat, messages = ChatStreamMeter(FACTS, 1), MessagesStreamMeter(FACTS, 1)
    chat.feed(b": keep-alive\n\n")
    messages.feed(b'event: ping\ndata: {"type": "ping"}\n\n')
    assert not chat.started
    assert not messages.started


WORD = "x" * 40
SILENT: dict[type[Any], list[str]] = {
    ChatStreamMeter: ['{"choices":[{"delta":{"content":"WORD"}}]}'.replace("WORD", WORD), "[DONE]"],
    MessagesStreamMeter: [
        '{"type":"message_start","message":{}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"WORD"}}'.replace("WORD", WORD),
        '{"type":"message_stop"}',
    ],
    ResponsesStreamMeter: [
        '{"type":"response.output_text.delta","delta":"WORD"}'.replace("WORD", WORD),
        '{"type":"response.completed","response":{}}',
    ],
}
"""Streams whose hosts tell no usage."""


def metered(kind: type[Any], events: list[str], facts: Facts = FACTS) -> Usage:
    meter: Meter = kind(facts, 1000)
    for data in events:
        meter.feed(f"data: {data}\n\n".encode())
    meter.finish()
    return meter.usage()


@pytest.mark.parametrize("kind", SILENT)
def test_a_whole_stream_without_usage_is_estimated_by_what_was_said(kind: type[Any]) -> None:
    usage = metered(kind, SILENT[kind])
    assert usage.estimated
    assert usage.input == 100, "as many tokens as 400 bytes usually have, and not the most"
    assert 10 <= usage.output <= 12


@pytest.mark.parametrize("kind", SILENT)
def test_the_input_of_a_stream_that_was_cut_or_broken_or_has_files_is_its_bound(kind: type[Any]) -> None:
    whole = SILENT[kind]
    for events, facts in (
        (whole[:-1], FACTS),
        (['{"error":"e","type":"error"}', *whole], FACTS),
        (whole, Facts("m", 400, stream=True, media=1)),
    ):
        assert metered(kind, events, facts).input == 1000
        assert metered(kind, events, facts).estimated


def test_the_output_of_a_chat_stream_counts_where_only_that_is_told() -> None:
    events = [SILENT[ChatStreamMeter][0], '{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":33}}', "[DONE]"]
    assert metered(ChatStreamMeter, events) == Usage(input=100, output=33, estimated=True)


def local(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """A document of llama.cpp, which tells the usage of one choice."""
    return {"choices": choices, "usage": {"prompt_tokens": 9, "completion_tokens": 5}, "timings": {"predicted_n": 5}}


def test_each_choice_of_a_stream_of_llama_cpp_counts() -> None:
    facts = Facts("m", 400, stream=True, choices=3)
    said = [json.dumps({"choices": [{"index": n, "delta": {"content": "x"}}]}) for n in (0, 1, 2)]
    told = json.dumps(local([]))
    assert metered(ChatStreamMeter, [*said, told, said[0], told, told, "[DONE]"], facts) == Usage(input=9, output=15)
    assert metered(ChatStreamMeter, [*said, told, told, "[DONE]"]).output == 5, "of one choice it is told again"


def test_choices_of_a_whole_reply_of_llama_cpp_whose_output_is_not_told_are_estimated() -> None:
    choices = [{"message": {"content": text}} for text in ("x" * 20, "y" * 20, "z" * 40)]
    for count_of_choices, expected in ((3, Usage(9, output=20, estimated=True)), (1, Usage(9, output=5))):
        facts = Facts("m", 400, choices=count_of_choices)
        meter = ChatFormat().meter(facts, 1000)
        meter.feed(json.dumps(local(choices[:count_of_choices])).encode())
        meter.finish()
        assert meter.usage() == expected


@pytest.mark.parametrize("field", ["content", "arguments", "reasoning_content"])
def test_text_that_is_full_of_quotes_is_counted_by_its_length(field: str) -> None:
    event = json.dumps({"choices": [{"delta": {field: '"a": "b", ' * 40}}]})
    told = metered(ChatStreamMeter, [event, "[DONE]"]).output
    assert told >= 1
    if field != "content":
        assert told > 100
