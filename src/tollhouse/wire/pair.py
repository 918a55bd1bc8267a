"""What a translation is: how clients of one format are served from hosts that speak another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tollhouse.domain.call import Call
from tollhouse.wire.passthrough import Converter


@dataclass(frozen=True, slots=True)
class Loss:
    """A field that a pair cannot carry. `field` is its path, such as `messages[].name`; `why` goes into the docs."""

    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Translated:
    """A request in the host's format. `dropped` are the paths, of the pair's losses, that this request had."""

    body: Mapping[str, Any]
    dropped: tuple[str, ...] = ()


class Pair(Protocol):
    """One directed translation. Stateless; no I/O, no policy, no constants of its own for what a catalogue knows."""

    @property
    def losses(self) -> Sequence[Loss]:
        """What it cannot carry."""

    def request(self, body: Mapping[str, Any]) -> Translated:
        """The client's checked body as the host takes it. InvalidField names, by the client's own path, what no
        host of that format could be asked.
        """

    def converter(self, call: Call) -> Converter:
        """Turns the host's frames into the client's bytes: of a stream, an event a frame; of a whole reply, pieces
        of one document. `call` is the client's own, and its body is not there any more when a reply comes.
        Never raises: what is malformed stays visible.
        """
