"""How a reply relays. What it settles is tested with the pipeline."""

import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from tollhouse.domain.course import Course
from tollhouse.services.calls import reply as module
from tollhouse.services.calls.reply import TURN_BYTES, Reply
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


def reply_of(exchange: Any, *, complete: bool = True) -> Reply:
    meter = MagicMock(started=True, refused=False, problem=None, complete=complete)
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
        course=Course(),
    )


def test_an_upstream_that_never_pauses_does_not_keep_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []
    # Of this module alone: a thread that another test left behind sleeps too.
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=turns.append, monotonic=time.monotonic))
    passed = sum(map(len, reply_of(Pieces(1000))))
    assert passed == 1_000_000
    assert turns == [0] * (passed // (-(-TURN_BYTES // 1000) * 1000))


class Watcher:
    """A tap that lets through what it sees, in capitals, and says when it is over."""

    def __init__(self) -> None:
        self.aborted = False

    def feed(self, out: bytes) -> bytes:
        return out.upper()

    def finish(self) -> bytes:
        return b"."

    def abort(self) -> None:
        self.aborted = True


def test_a_tap_sees_all_that_goes_out_and_has_the_last_word() -> None:
    reply, tap = reply_of(Pieces(2)), Watcher()
    reply.start(10_000)
    reply.watch(tap)
    assert b"".join(reply) == b"X" * 2000 + b"."
    reply.close()
    assert not tap.aborted


def test_a_tap_of_a_reply_that_nobody_read_to_its_end_is_told() -> None:
    reply, tap = reply_of(Pieces(2), complete=False), Watcher()
    reply.start(10_000)
    reply.watch(tap)
    next(reply)
    reply.close()
    assert tap.aborted
