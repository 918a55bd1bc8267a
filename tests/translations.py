"""What tests of translations have in common: the files of their cases, and how a reply gets through a converter."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from tollhouse.wire.framing import EventFraming, Framing, event_data
from tollhouse.wire.pair import Converter

GOLDEN = Path(__file__).parent / "golden"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def folders(pair: str, kind: str) -> list[Any]:
    """The cases of a pair that are folders, each under its name."""
    return [pytest.param(folder, id=folder.name) for folder in sorted((GOLDEN / pair / kind).iterdir())]


def named(path: Path) -> str:
    """What a transcript is called: as its file, or as the folder of its case."""
    return path.parent.name if path.stem == "upstream" else path.stem


def relayed(framing: Framing, converter: Converter, chunks: Sequence[bytes]) -> bytes:
    """What a client gets of an upstream's bytes that come so, as services/calls/reply.py drives it."""
    frames = [frame for chunk in chunks for frame in framing.feed(chunk)] + framing.finish()
    return b"".join([converter.feed(frame) for frame in frames]) + converter.finish()


def pieces(data: st.DataObject, text: bytes) -> list[bytes]:
    """`text` in chunks, each of one byte or more."""
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=40)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True) if end > start]


def bytewise(text: bytes) -> list[bytes]:
    """`text` a byte at a time."""
    return [text[place : place + 1] for place in range(len(text))]


def events_of(stream: bytes) -> list[Any]:
    """The data of a stream's events, without the `[DONE]` that ends some."""
    framing = EventFraming()
    found = [event_data(frame) for frame in [*framing.feed(stream), *framing.finish()]]
    return [json.loads(data) for data in found if data and data != b"[DONE]"]
