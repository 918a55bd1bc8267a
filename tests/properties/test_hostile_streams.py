"""Hosts that stream nonsense: a client of any format gets all that was said, or an error that names what was wrong."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.domain.call import Call, Facts
from tollhouse.wire import PAIRS
from tollhouse.wire.dialects import is_error_event
from tollhouse.wire.framing import EventFraming, event_data

BODIES: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}], "stream_options": {"include_usage": True}},
    "messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9},
    "responses": {"input": "Hi"},
    "completions": {"prompt": "Hi"},
}
CHAT: list[Any] = [
    {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]},
    {"id": "c", "choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "lo"}]}}]},
    {
        "id": "c",
        "choices": [
            {
                "index": 0,
                "delta": {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}]},
            }
        ],
    },
    {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]
MESSAGES: list[Any] = [
    {"type": "message_start", "message": {"id": "msg_c", "usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
HOSTS = {"chat": CHAT, "messages": MESSAGES}
TRANSLATED = [pair for pair in PAIRS if pair[0] != pair[1]]
ENDS = (b"data: [DONE]\n\n", b"event: message_stop\n", b"event: response.completed\n")

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=5)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


def events_of(client: str, host: str, told: list[Any]) -> list[bytes]:
    """What the client gets of a stream of these events."""
    call = Call("req_7", client, {"model": "fast", "stream": True, **BODIES[client]}, Facts("fast", 1, stream=True))
    converter, framing = PAIRS[client, host].converter(call), EventFraming()
    sent = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in told]
    if host == "chat":
        sent.append(b"data: [DONE]\n\n")
    out = b"".join([converter.feed(frame) for frame in sent]) + converter.finish()
    return [*framing.feed(out), *framing.finish()]


def spoiled(value: Any, data: st.DataObject) -> Any:
    """The same with one thing in it replaced."""
    if isinstance(value, (dict, list)) and value and data.draw(st.integers(0, 4)):
        place = data.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        if isinstance(value, dict):
            return {**value, place: spoiled(value[place], data)}
        return [*value[:place], spoiled(value[place], data), *value[place + 1 :]]
    return data.draw(JSON)


@pytest.mark.parametrize(("client", "host"), TRANSLATED)
@settings(max_examples=60)
@given(data=st.data())
def test_no_event_of_a_host_tears_a_stream(client: str, host: str, data: st.DataObject) -> None:
    told = list(HOSTS[host])
    number = data.draw(st.integers(0, len(told) - 1))
    told[number] = spoiled(told[number], data)
    events = events_of(client, host, told)
    for place, event in enumerate(events):
        assert event.endswith(b"\n\n")
        text = event_data(event)
        assert text == b"[DONE]" or isinstance(json.loads(text), dict)
        last = place == len(events) - 1
        assert last or not is_error_event(event), "nothing comes after an error"
        assert last or not event.startswith(ENDS), "nothing comes after the end"


def at(value: Any, path: str) -> Iterator[tuple[Any, Any]]:
    for step in path.split("."):
        place: Any = int(step) if step.isdigit() else step
        yield value, place
        value = value[place]


def replaced(told: list[Any], path: str, value: Any) -> list[Any]:
    copy = json.loads(json.dumps(told))
    *_, (holder, place) = at(copy, path)
    holder[place] = value
    return list(copy)


NOT_TEXT = (7, True, {"a": 1})
NOT_A_LIST = (7, "x", {"a": 1})
NOT_A_PLACE = ("0", True, 1.5, [])
NAMED = [
    *(("chat", "0.choices", value, "choices") for value in NOT_A_LIST),
    *(("chat", "0.choices.0", value, "choices[0]") for value in (7, None, "x", [])),
    *(("chat", "0.choices.0.index", value, "choices[0].index") for value in NOT_A_PLACE),
    *(("chat", "0.choices.0.delta", value, "choices[0].delta") for value in (7, "x", [])),
    *(("chat", "0.choices.0.delta.content", value, "choices[0].delta.content") for value in NOT_TEXT),
    ("chat", "1.choices.0.delta.content.0", "lo", "choices[0].delta.content[0]"),
    ("chat", "1.choices.0.delta.content.0.text", 7, "choices[0].delta.content[0].text"),
    *(("chat", "2.choices.0.delta.tool_calls", value, "choices[0].delta.tool_calls") for value in NOT_A_LIST),
    *(
        ("chat", f"2.choices.0.delta.tool_calls.0{rest}", value, f"choices[0].delta.tool_calls[0]{rest}")
        for rest, values in {
            "": (7, None, "f"),
            ".index": NOT_A_PLACE,
            ".function": (7, "f", []),
            ".function.name": (7, {}),
            ".function.arguments": (7, [], True),
        }.items()
        for value in values
    ),
    *(("messages", "1.content_block", value, "content_block") for value in (None, 7, [])),
    *(("messages", "1.index", value, "index") for value in NOT_A_PLACE),
    *(("messages", "2.delta", value, "delta") for value in (None, 7, [])),
    *(("messages", "2.delta.text", value, "delta.text") for value in (*NOT_TEXT, None)),
    *(("messages", "4.content_block.name", value, "content_block.name") for value in (*NOT_TEXT, None)),
    *(("messages", "5.delta.partial_json", value, "delta.partial_json") for value in (*NOT_TEXT, None)),
]
PASSED_OVER = [
    *(("chat", "0.choices", value) for value in (None, [])),
    ("chat", "0.choices.0.delta", None),
    ("chat", "0.choices.0.delta.content", None),
    ("chat", "2.choices.0.delta.tool_calls", None),
    ("chat", "2.choices.0.delta.tool_calls.0.index", None),
    *(("chat", "0.choices.0.delta.role", value) for value in (7, None, [])),
    *(("chat", "4.usage", value) for value in (7, None, [], {"prompt_tokens": "x"})),
    *(("chat", "0.id", value) for value in (7, None, [])),
    *(("messages", "0.message", value) for value in (7, None, [])),
    *(("messages", "7.delta", value) for value in (7, None, [])),
    *(("messages", "7.usage", value) for value in (7, None, [])),
]
"""What a stream can do without."""


@pytest.mark.parametrize(("host", "path", "value", "named"), NAMED, ids=str)
def test_what_was_said_in_a_wrong_type_ends_the_stream_with_an_error_that_names_it(
    host: str, path: str, value: Any, named: str
) -> None:
    for client in (client for client, other in TRANSLATED if other == host):
        events = events_of(client, host, replaced(HOSTS[host], path, value))
        assert is_error_event(events[-1]), client
        # Of two translations the second has its own words for the field, and the first's sentence is handed on.
        assert f"{named!r} is missing or wrong" in events[-1].decode(), client


@pytest.mark.parametrize(("host", "path", "value"), PASSED_OVER, ids=str)
def test_what_a_stream_can_do_without_is_passed_over(host: str, path: str, value: Any) -> None:
    for client in (client for client, other in TRANSLATED if other == host):
        events = events_of(client, host, replaced(HOSTS[host], path, value))
        assert events[-1].startswith(ENDS), client
