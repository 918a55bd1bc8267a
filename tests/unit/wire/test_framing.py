"""Frames of server-sent events."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.wire import framing
from tollhouse.wire.framing import EventFraming, event_data


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_ends_with_a_blank_line_whatever_ends_a_line(end: bytes) -> None:
    one, two = b"event: a" + end + b"data: 1" + end + end, b": note" + end + end
    frames = EventFraming()
    assert [*frames.feed(one + two + b"data: 2"), *frames.finish()] == [one, two, b"data: 2"]


def test_half_a_line_end_is_waited_for() -> None:
    frames = EventFraming()
    assert frames.feed(b"data: 1\r\n\r") == []
    assert frames.feed(b"\ndata: 2") == [b"data: 1\r\n\r\n"]


def test_an_event_is_given_as_soon_as_it_is_whole() -> None:
    frames = EventFraming()
    assert frames.feed(b"data: 1\n") == []
    assert frames.feed(b"\n") == [b"data: 1\n\n"]
    assert frames.finish() == []


def test_an_event_that_never_ends_is_passed_on_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "LONGEST_EVENT", 10)
    frames = EventFraming()
    assert frames.feed(b"data: 4567") == []
    assert frames.feed(b"8") == [b"data: 45678"]
    assert frames.finish() == []


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: {}\n\n", b"{}"),
        (b"data:{}\n\n", b"{}"),
        (b"data:  two spaces\r\n\r\n", b" two spaces"),
        (b"event: x\ndata: a\nid: 7\ndata: b\n\n", b"a\nb"),
        (b"data: a\rdata: b\r\r", b"a\nb"),
        (b"data: [DONE]", b"[DONE]"),
        (b": keep-alive\n\n", b""),
        (b"database: x\n\n", b""),
        (b"\n\n", b""),
        (b"", b""),
    ],
)
def test_the_data_of_an_event_is_its_data_lines_joined(event: bytes, data: bytes) -> None:
    assert event_data(event) == data


@given(st.lists(st.sampled_from([b"a", b"\n", b"\n\n", b"\r", b"\r\n"])), st.data())
def test_events_are_the_same_however_they_come_and_whatever_ends_their_lines(
    pieces: list[bytes], data: st.DataObject
) -> None:
    text = b"".join(pieces)
    whole, cut = EventFraming(), EventFraming()
    expected = [*whole.feed(text), *whole.finish()]
    frames, rest = [], text
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        frames += cut.feed(rest[:size])
        rest = rest[size:]
    assert [*frames, *cut.finish()] == expected
    assert b"".join(expected) == text
    if b"\r" not in text:
        in_crlf = EventFraming()
        events = [*in_crlf.feed(text.replace(b"\n", b"\r\n")), *in_crlf.finish()]
        assert [event.replace(b"\r\n", b"\n") for event in events] == expected


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_a_long_event_is_put_together_in_a_time_that_grows_with_its_length(end: bytes) -> None:
    event = b"data: " + b"x" * 20_000_000 + end
    frames = EventFraming(32_000_000)
    began = time.process_time()
    got = [frame for n in range(0, len(event), 16_384) for frame in frames.feed(event[n : n + 16_384])]
    assert [*got, *frames.feed(b": end" + end)] == [event, b": end" + end]
    assert time.process_time() - began < 1, "to copy it for each piece took 6 s"


def test_no_more_than_the_longest_is_waited_for() -> None:
    frames = EventFraming(9_000_000)
    piece = b"x" * 1_000_000
    got = [frame for _ in range(25) for frame in frames.feed(piece)]
    assert got
    assert max(map(len, got)) <= 10_000_000
    assert b"".join([*got, *frames.finish()]) == piece * 25


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"bc"]), max_size=30), st.integers(0, 5))
def test_a_long_event_ends_where_a_short_one_would(pieces: list[bytes], longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        expected = EventFraming()
        events = [frame for piece in pieces for frame in expected.feed(piece)] + expected.finish()
        patch.setattr(framing, "_LONG", longest)
        frames = EventFraming()
        assert [frame for piece in pieces for frame in frames.feed(piece)] + frames.finish() == events
