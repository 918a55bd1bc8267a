"""A translation made of two that meet in the middle."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

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
        host_side = self._second.converter(replace(call, body=_MIDDLE, room=None))
        client_side = self._first.converter(call)
        if isinstance(host_side, _Giving) and isinstance(client_side, _Taking):
            return _Handed(host_side, client_side)
        return _Chain(host_side, client_side, EventFraming() if call.facts.stream else WholeFraming())


_MIDDLE: Mapping[str, Any] = {"stream_options": {"include_usage": True}}
"""All that a reply in the middle depends on of its request: the client's side knows whether its client wants usage."""


@runtime_checkable
class _Giving(Converter, Protocol):
    """The host's side of a stream, where it can be asked for documents rather than their bytes."""

    def documents(self, frame: bytes) -> list[dict[str, Any]]: ...


@runtime_checkable
class _Taking(Converter, Protocol):
    """The client's side, where it takes documents."""

    def take(self, document: dict[str, Any]) -> bytes: ...


class _Handed:
    """A stream of which nothing is written and parsed again in the middle: that took half of its time."""

    def __init__(self, host_side: _Giving, client_side: _Taking) -> None:
        self._documents = host_side.documents
        self._take = client_side.take

    def feed(self, frame: bytes) -> bytes:
        documents = self._documents(frame)
        if len(documents) == 1:
            return self._take(documents[0])
        return b"".join([self._take(document) for document in documents])

    def finish(self) -> bytes:
        return b""


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
