"""A request that is a form: fields and files, as they were uploaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Spool(Protocol):
    """What was uploaded, put aside. It can be read any number of times."""

    def read(self, start: int, size: int) -> bytes:
        """So many bytes from there. Raises OutOfSpace where it cannot be read."""


@dataclass(frozen=True, slots=True)
class Part:
    """A field or a file: its content is `size` bytes of the spool from `start`, and begins with `head`. A field has
    no `filename`.
    """

    name: str
    start: int
    size: int
    filename: str | None = None
    content_type: str | None = None
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class Form:
    """The parts, in their order. `fields` are by name: the text of a field, what is known of a file, and a list of
    these where a name comes more than once.
    """

    parts: Sequence[Part]
    fields: Mapping[str, Any]
    spool: Spool
    size: int

    @property
    def files(self) -> list[Part]:
        return [part for part in self.parts if part.filename is not None]

    @property
    def text_size(self) -> int:
        """Bytes of all fields that are no files."""
        return sum(part.size for part in self.parts if part.filename is None)
