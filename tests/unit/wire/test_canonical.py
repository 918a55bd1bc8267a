"""When two requests are the same, and which replies are not given again."""

from typing import Any

import pytest

from tollhouse.wire.canonical import canonical, is_withheld

HELLO = [{"role": "user", "content": "hello"}]


def same(one: dict[str, Any], other: dict[str, Any], format: str = "chat") -> bool:
    first = canonical(format, one)
    assert first is not None
    return first == canonical(format, other)


def test_the_order_of_names_and_fields_that_are_null_make_no_difference() -> None:
    assert same(
        {"messages": HELLO, "seed": 1, "stop": None}, {"seed": 1, "messages": [dict(reversed(HELLO[0].items()))]}
    )


def test_the_order_of_items_makes_one() -> None:
    assert not same({"messages": HELLO, "stop": ["a", "b"]}, {"messages": HELLO, "stop": ["b", "a"]})


def test_in_what_a_host_writes_by_the_order_of_names_makes_one() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {}, "b": {}}}}}
    turned = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"b": {}, "a": {}}}}}
    assert not same({"messages": HELLO, "tools": [tool]}, {"messages": HELLO, "tools": [turned]})


def test_a_field_that_moves_from_one_place_to_another_is_another_request() -> None:
    assert not same({"text": {"verbosity": "low"}}, {"response_format": {"verbosity": "low"}})


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("speech", {"input": "hello"}),
        ("chat", {"messages": HELLO, "store": True}),
        ("chat", {"messages": HELLO, "web_search_options": {}}),
        ("chat", {"messages": HELLO, "tools": [{"type": "code_interpreter"}]}),
        ("completions", {"prompt": "hello", "tools": "what is this"}),
        ("messages", {"messages": HELLO, "container": "container_1"}),
        ("messages", {"messages": HELLO, "mcp_servers": [{"url": "https://x"}]}),
        ("messages", {"messages": [{"role": "user", "content": [{"source": {"type": "file", "file_id": "f"}}]}]}),
        ("responses", {"input": "hello"}),
        ("responses", {"input": "hello", "store": False, "previous_response_id": "resp_1"}),
        ("responses", {"input": "hello", "store": False, "conversation": "conv_1"}),
        ("responses", {"input": "hello", "store": False, "prompt": {"id": "pmpt_1"}}),
        ("responses", {"input": [{"type": "item_reference", "id": "msg_1"}], "store": False}),
    ],
)
def test_what_the_request_alone_does_not_tell_is_not_given_again(format: str, body: dict[str, Any]) -> None:
    assert canonical(format, body) is None


def test_text_that_speaks_of_files_is_text() -> None:
    assert canonical("chat", {"messages": [{"role": "user", "content": 'what is {"file_id":"x"}?'}]})


def test_what_a_filter_kept_back_is_known_by_its_reason_and_not_by_what_is_said() -> None:
    assert is_withheld(b'{"choices":[{"finish_reason":"content_filter"}]}')
    assert is_withheld(b'data: {"delta": {"stop_reason": "refusal"}}')
    assert is_withheld(b'{"incomplete_details":{"reason":"content_filter"}}')
    assert not is_withheld(b'{"content":"\\"finish_reason\\":\\"content_filter\\"","finish_reason":"stop"}')
