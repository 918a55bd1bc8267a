"""Upstream replies as files: whatever chunks the network makes of them, the bytes and the usage are the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.translations import pieces
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.usage import Usage
from tollhouse.wire import FORMATS, PAIRS
from tollhouse.wire.chat import is_usage_event
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import EventFraming

FOLDER = Path(__file__).parents[1] / "golden" / "transcripts"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
INPUT_BOUND = 77


def facts_of(name: str) -> Facts:
    return Facts(
        model="m", size=10, stream=name.endswith(".sse"), generates=not name.startswith(("embeddings", "count_tokens"))
    )


def relay(name: str, chunks: list[bytes], *, end: bool = True, asked: bool = False) -> tuple[bytes, Meter]:
    """What a client gets of these chunks, as services/calls/reply.py drives it, and the meter afterwards."""
    format = FORMATS[EXPECTED[name]["format"]]
    facts = facts_of(name)
    body = {"stream_options": {"include_usage": True}} if asked else {}
    converter = PAIRS[format.name, format.name].converter(Call("req_1", format.name, body, facts))
    framing, meter = format.framing(facts), format.meter(facts, INPUT_BOUND)
    out = b""
    for frames in [*(framing.feed(chunk) for chunk in chunks), framing.finish() if end else []]:
        for frame in frames:
            meter.feed(frame)
            out += converter.feed(frame)
    if end:
        meter.finish()
        out += converter.finish()
    return out, meter


@pytest.mark.parametrize("name", EXPECTED)
def test_a_transcript_has_the_usage_that_its_vendor_meant(name: str) -> None:
    _, meter = relay(name, [(FOLDER / name).read_bytes()])
    assert meter.usage() == Usage(**EXPECTED[name]["usage"])
    assert meter.complete == EXPECTED[name]["complete"]
    assert meter.refused == EXPECTED[name].get("refused", False)
    assert (meter.problem is None) == (meter.complete and not meter.refused)


def test_every_transcript_has_an_expected_usage() -> None:
    assert {path.name for path in FOLDER.glob("[a-z]*.*")} == {*EXPECTED, "expected.json"}


@pytest.mark.parametrize("name", EXPECTED)
@settings(max_examples=20)
@given(data=st.data())
def test_any_chunking_of_a_transcript_gives_the_same_bytes_and_the_same_usage(name: str, data: st.DataObject) -> None:
    text = (FOLDER / name).read_bytes()
    expected, meter = relay(name, [text])
    out, chunked = relay(name, pieces(data, text))
    assert out == expected
    assert chunked.usage() == meter.usage()
    assert chunked.complete == meter.complete


@pytest.mark.parametrize("name", EXPECTED)
def test_one_byte_at_a_time_is_a_chunking_too(name: str) -> None:
    text = (FOLDER / name).read_bytes()
    out, meter = relay(name, [text[n : n + 1] for n in range(len(text))])
    assert (out, meter.usage()) == (relay(name, [text])[0], Usage(**EXPECTED[name]["usage"]))


# A response has our id, and what it says of its state is ours: tests/unit/wire/test_responses_identity.py.
UNTOUCHED = [name for name in EXPECTED if not name.startswith("responses")]


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_is_passed_through_is_byte_for_byte_what_came(name: str) -> None:
    text = (FOLDER / name).read_bytes()
    assert relay(name, [text], asked=True)[0] == text


@pytest.mark.parametrize("name", UNTOUCHED)
def test_of_what_the_caller_did_not_ask_for_nothing_but_the_usage_event_is_dropped(name: str) -> None:
    text = (FOLDER / name).read_bytes()
    framing = EventFraming()
    events = [*framing.feed(text), *framing.finish()] if name.endswith(".sse") else [text]
    dropped = [event for event in events if name.startswith(("chat", "completions")) and is_usage_event(event)]
    assert len(dropped) == EXPECTED[name]["dropped"]
    assert relay(name, [text])[0] == b"".join(event for event in events if event not in dropped)


@pytest.mark.parametrize("name", EXPECTED)
def test_any_prefix_of_a_transcript_has_a_usage(name: str) -> None:
    text = (FOLDER / name).read_bytes()
    most = Usage(**EXPECTED[name]["usage"])
    for length in range(0, len(text), 7):
        for end in (True, False):
            _, meter = relay(name, [text[:length]], end=end)
            usage = meter.usage()
            # A host that tells the usage in every event confirms what there is of it.
            assert usage.estimated or usage == most or "usage-in-every-event" in name
            assert usage.reasoning <= usage.output
            assert 0 <= usage.prompt <= max(INPUT_BOUND, most.prompt)


@pytest.mark.parametrize("format", sorted({one["format"] for one in EXPECTED.values()}))
@given(
    noise=st.lists(
        st.binary(max_size=60)
        | st.sampled_from(
            [
                b"data: ",
                b"\n\n",
                b"\r\n",
                b"{",
                b'"usage"',
                b'{"type":',
                b"[DONE]",
                b'{"usage":{"prompt_tokens":-5}}',
                b'{"error":[]}',
                b"event: ",
            ]
        ),
        max_size=12,
    )
)
def test_no_bytes_make_a_meter_raise(format: str, noise: list[bytes]) -> None:
    for name in (f"{format}-x.sse", f"{format}-x.json"):
        facts = facts_of(name)
        framing, meter = FORMATS[format].framing(facts), FORMATS[format].meter(facts, INPUT_BOUND)
        for chunk in noise:
            for frame in framing.feed(chunk):
                meter.feed(frame)
        for frame in framing.finish():
            meter.feed(frame)
        meter.finish()
        usage = meter.usage()
        assert min(usage.input, usage.cache_read, usage.cache_write, usage.output) >= 0


@given(text=st.lists(st.sampled_from([b"a", b"data: x", b"\r", b"\n", b"\r\n", b"\n\n"]), max_size=30), data=st.data())
def test_frames_are_the_same_whatever_the_chunks_and_joined_they_are_the_bytes(
    text: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(text)
    once = EventFraming()
    expected = [*once.feed(whole), *once.finish()]
    assert b"".join(expected) == whole
    framing = EventFraming()
    frames = [frame for chunk in pieces(data, whole) for frame in framing.feed(chunk)] + framing.finish()
    assert frames == expected
