"""What a translation is: how clients of one format are served from hosts that speak another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tollhouse.domain.call import Call
from tollhouse.wire.families import UNKNOWN, Family
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


@dataclass(frozen=True, slots=True)
class Recipient:
    """For whom a request is worded: what a host and its model take otherwise than others of their format.

    `refuses` are fields of chat that the host has not; `breakpoints` says that it takes cache marks as OpenAI has them.
    `cap` is the output cap, in tokens, that a request without one will have, and `most` the highest that there can be.
    """

    family: Family = UNKNOWN
    refuses: frozenset[str] = frozenset()
    breakpoints: bool = False
    cap: int | None = None
    most: int | None = None


ANYONE = Recipient()
"""Where nothing is known of the host but its format."""


class Pair(Protocol):
    """One directed translation. Stateless; no I/O, no policy, no constants of its own for what a catalogue knows."""

    @property
    def losses(self) -> Sequence[Loss]:
        """What it cannot carry."""

    def request(self, body: Mapping[str, Any], recipient: Recipient = ANYONE) -> Translated:
        """The client's checked body as the host takes it. InvalidField names, by the client's own path, what no
        host of that format could be asked.
        """

    def converter(self, call: Call) -> Converter:
        """Turns the host's frames into the client's bytes: of a stream, an event a frame; of a whole reply, pieces
        of one document. `call` is the client's own, and its body is not there any more when a reply comes.
        Never raises: what is malformed stays visible.
        """
