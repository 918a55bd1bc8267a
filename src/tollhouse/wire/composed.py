"""A translation made of two that meet in the middle."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire.framing import EventFraming, Framing, WholeFraming
from tollhouse.wire.pair import ANYONE, Loss, Pair, Recipient, Translated
from tollhouse.wire.passthrough import Converter


class Composed:
    """`first` is the client's side, `second` the host's."""

    def __init__(self, first: Pair, second: Pair) -> None:
        self._first = first
        self._second = second

    @property
    def losses(self) -> Sequence[Loss]:
        return [*self._first.losses, *self._second.losses]

    def request(self, body: Mapping[str, Any], recipient: Recipient = ANYONE) -> Translated:
        # Nobody receives what is in the middle.
        middle = self._first.request(body)
        end = self._second.request(middle.body, recipient)
        return Translated(end.body, (*middle.dropped, *end.dropped))

    def converter(self, call: Call) -> Converter:
        middle = replace(call, body=self._first.request(call.body).body, room=None)
        framing = EventFraming() if call.facts.stream else WholeFraming()
        chain = _Chain(self._second.converter(middle), self._first.converter(call), framing)
        middle.let_go(0)
        return chain


class _Chain:
    """Frames of the host through the one, and what comes of it through the other."""

    def __init__(self, host_side: Converter, client_side: Converter, framing: Framing) -> None:
        self._host_side = host_side
        self._client_side = client_side
        self._framing = framing

    def feed(self, frame: bytes) -> bytes:
        return self._on(self._host_side.feed(frame))

    def finish(self) -> bytes:
        last = self._on(self._host_side.finish())
        rest = b"".join([self._client_side.feed(frame) for frame in self._framing.finish()])
        return last + rest + self._client_side.finish()

    def _on(self, middle: bytes) -> bytes:
        if not middle:
            return b""
        frames = self._framing.feed(middle)
        if len(frames) == 1:
            return self._client_side.feed(frames[0])
        return b"".join([self._client_side.feed(frame) for frame in frames])
