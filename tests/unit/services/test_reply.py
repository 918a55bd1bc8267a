"""How a reply relays. What it settles is tested with the pipeline."""

from typing import Any
from unittest.mock import MagicMock

import pytest

from tollhouse.services import reply as module
from tollhouse.services.reply import TURN_BYTES, Reply
from tollhouse.wire.framing import WholeFraming
from tollhouse.wire.passthrough import Converter


class Pieces:
    """An exchange that always has another thousand bytes."""

    status = 200

    def __init__(self, count: int) -> None:
        self.headers = self.returned = dict[str, str]()
        self._left = count

    def read(self) -> bytes:
        self._left -= 1
        return b"x" * 1000 if self._left >= 0 else b""

    def close(self) -> None:
        pass


class Unchanged(Converter):
    def feed(self, frame: bytes) -> bytes:
        return frame

    def finish(self) -> bytes:
        return b""


def reply_of(exchange: Any) -> Reply:
    meter = MagicMock(started=True, refused=False, problem=None, complete=True)
    return Reply(
        request_id="req_1",
        dialect="openai",
        content_type="text/event-stream",
        streamed=True,
        cap=None,
        exchange=exchange,
        framing=WholeFraming(),
        meter=meter,
        converter=Unchanged(),
        booking=MagicMock(),
    )


def test_an_upstream_that_never_pauses_does_not_keep_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []
    monkeypatch.setattr(module.time, "sleep", turns.append)
    passed = sum(map(len, reply_of(Pieces(1000))))
    assert passed == 1_000_000
    assert turns == [0] * (passed // (-(-TURN_BYTES // 1000) * 1000))
