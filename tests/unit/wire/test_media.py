"""What images, sound and rerank used, of whatever came of a reply; and how long a recording is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media_host import wav
from tollhouse.domain.call import Facts
from tollhouse.domain.usage import Usage
from tollhouse.wire import FORMATS
from tollhouse.wire.sound import duration

FACTS = Facts("m", 10, unit="image", units=2000)
ESTIMATE = Usage(input=7, estimated=True, units=2000)


def used(format: str, frames: list[bytes], facts: Facts = FACTS) -> Usage:
    meter = FORMATS[format].meter(facts, 7)
    for frame in frames:
        meter.feed(frame)
    meter.finish()
    return meter.usage()


@pytest.mark.parametrize(
    ("format", "document", "expected"),
    [
        ("images", {"data": [{}]}, Usage(units=1000)),
        ("images", {"data": [{}], "usage": {"input_tokens": 5, "output_tokens": 6}}, Usage(5, output=6, units=1000)),
        ("images", {"data": []}, ESTIMATE),
        ("images", {"data": 5, "usage": []}, ESTIMATE),
        ("rerank", {"meta": {"billed_units": {"search_units": 3}}}, Usage(units=3000)),
        ("rerank", {"usage": {"total_tokens": 9}}, Usage(9)),
        ("rerank", {"meta": [], "usage": None}, ESTIMATE),
        ("transcriptions", {"text": "", "duration": 1.25}, Usage(units=1250)),
        ("transcriptions", {"text": "", "duration": "1.25"}, Usage(units=1250)),
        ("transcriptions", {"duration": 8.4, "usage": {"type": "duration", "seconds": 9}}, Usage(units=9000)),
        ("transcriptions", {"usage": {"input_tokens": 5, "output_tokens": 6}}, Usage(5, output=6)),
        ("transcriptions", {"duration": -1}, ESTIMATE),
        ("transcriptions", {"duration": 1e300}, ESTIMATE),
        ("transcriptions", {"duration": "nan", "usage": {"seconds": True}}, ESTIMATE),
        ("moderations", {"usage": {"input_tokens": 5}}, Usage()),
    ],
)
def test_a_whole_reply_says_what_it_used(format: str, document: dict[str, Any], expected: Usage) -> None:
    assert used(format, [json.dumps(document).encode()]) == expected


@given(st.lists(st.binary(max_size=40)), st.sampled_from(sorted(FORMATS)), st.booleans())
def test_a_meter_is_total(frames: list[bytes], format: str, stream: bool) -> None:
    used(format, frames, Facts("m", 10, stream=stream, unit="image", units=2000))


def test_the_length_of_a_wav_is_known_and_that_of_anything_else_a_guess() -> None:
    sound = wav(2.5)
    assert duration(sound[:4096], len(sound)) == (2503, True)  # its head is counted in
    assert duration(b"ID3", 40_000) == (20_000, False)
    inconsistent = sound[:28] + (1).to_bytes(4, "little") + sound[32:]
    assert duration(inconsistent, len(sound))[1] is False


@given(st.binary(max_size=200))
def test_any_bytes_have_a_length(junk: bytes) -> None:
    assert duration(b"RIFF1234WAVE" + junk, 10)[0] >= 0
