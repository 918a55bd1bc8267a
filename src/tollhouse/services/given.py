"""Answers that reach no upstream in this process: they stand where a Reply would."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """A status, headers beside the content type, and the body, in pieces. Nothing is to be settled when it ends."""

    status: int
    content_type: str
    body: Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    follows: str | None = None
    """The id of the response whose events it is; they can be had again."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        """As a Reply's."""
