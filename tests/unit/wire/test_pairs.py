"""The matrix of formats, and what the conversion of a format to itself may drop."""

import pytest

from tollhouse.domain.call import Call, Facts
from tollhouse.wire import FORMATS, PAIRS, upstream_format
from tollhouse.wire.chat import is_usage_event, wants_usage

USAGE_EVENT = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'


def converted(body: dict[str, object], *, stream: bool = True) -> bytes:
    return PAIRS["chat", "chat"].converter(Call("req_1", "chat", body, Facts("m", 1, stream=stream))).feed(USAGE_EVENT)


def test_every_format_reaches_a_host_that_speaks_it() -> None:
    for name, format in FORMATS.items():
        assert upstream_format(name, frozenset(FORMATS)) is format
        assert (name, name) in PAIRS


def test_a_host_that_speaks_nothing_a_pair_leads_to_cannot_be_called() -> None:
    assert upstream_format("embeddings", frozenset({"chat"})) is None
    assert upstream_format("chat", frozenset()) is None


def test_the_usage_event_is_kept_for_a_caller_that_asked_for_it() -> None:
    assert converted({"stream_options": {"include_usage": True}}) == USAGE_EVENT


@pytest.mark.parametrize("options", [{}, {"stream_options": None}, {"stream_options": {"include_usage": False}}])
def test_the_usage_event_is_dropped_for_a_caller_that_did_not(options: dict[str, object]) -> None:
    assert not wants_usage(options)
    assert converted(options) == b""


def test_a_whole_reply_is_never_dropped() -> None:
    assert converted({}, stream=False) == USAGE_EVENT


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[],"usage":null}\n\n',  # Azure's first
        b'data: {"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":1}}\n\n',  # an end of its own as well
        b'data: {"choices":[{"index":0,"delta":{"content":"{\\"choices\\":[],\\"usage\\":{\\"a\\":1}}"}}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1}\n\n',
        b': "choices":[],"usage":{"prompt_tokens":1}\n\n',
        b"data: [DONE]\n\n",
    ],
)
def test_no_other_event_is_taken_for_the_usage_event(event: bytes) -> None:
    assert not is_usage_event(event)
