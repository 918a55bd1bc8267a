"""What the gateway knows of a request: caps, counts, media, and what may cost more than list prices."""

from typing import Any

import pytest

from tollhouse.domain.call import Facts
from tollhouse.wire import FORMATS

MESSAGES = [{"role": "user", "content": "Hello"}]
SMALLEST: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": MESSAGES},
    "messages": {"model": "m", "messages": MESSAGES, "max_tokens": 64},
    "embeddings": {"model": "m", "input": "Hello"},
}
IMAGE = {"type": "image_url", "image_url": {"url": "https://host/a.png"}}


def read(format: str, **fields: Any) -> Facts:
    return FORMATS[format].read({**SMALLEST[format], **fields}, 1234)


@pytest.mark.parametrize(
    ("fields", "cap"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 60}, 60),
        ({"max_tokens": 50, "max_completion_tokens": 60}, 60),
        ({"max_tokens": 70, "max_completion_tokens": 60}, 70),
        ({"max_tokens": None, "max_completion_tokens": 60}, 60),
    ],
)
def test_of_two_caps_the_larger_counts_for_a_host_may_obey_either(fields: dict[str, Any], cap: int | None) -> None:
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


def test_earlier_turns_that_the_host_has_are_bounded_by_nothing_in_the_body() -> None:
    asked = {"messages": [{"role": "user", "content": "And now?"}]}
    assert read("messages", **asked, thread={"type": "create"}).media == 0
    assert read("messages", **asked, thread={"type": "continue", "previous_message_id": "msg_1"}).media == 1


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
