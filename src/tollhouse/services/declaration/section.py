"""A section of the file: one kind of thing, its entries by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tollhouse.domain.actor import Actor

Entry = Mapping[str, Any]
"""A thing as the file has it, with every field that is not at its default. Amounts of money are decimal strings."""


@dataclass(frozen=True, slots=True)
class Change:
    """What applying the file does to one thing. `before` is None for one that is made."""

    section: str
    name: str
    before: Entry | None
    after: Entry
    fields: tuple[str, ...]
    """The fields that differ."""


class Section(Protocol):
    """One kind of thing. It reads and writes in the transaction that is open."""

    name: str
    listed: bool
    """Whether the file has a list of them; else they are tables under their names."""

    def given(self, part: Any) -> Mapping[str, Entry]:
        """The file's entries, by name, of a part that the schema allows; fields at their defaults are left out."""

    def current(self) -> Mapping[str, Entry]:
        """What is there, by name."""

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        """The fields in which the file differs from what is there."""

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        """Make and change, as whoever applies the file. Raises TollhouseError; nothing is committed then."""


def differing(before: Entry, after: Entry) -> list[str]:
    """The fields that are not the same, in the order of the file."""
    return [field for field in {**after, **before} if before.get(field) != after.get(field)]
