"""What is too long for the database."""

from collections.abc import Iterator
from typing import Protocol


class NewBlob(Protocol):
    """A blob that is being written. Whoever made it closes it; unless it was kept, nothing is left of it then."""

    def write(self, data: bytes) -> None:
        """Raises OutOfSpace, Unavailable."""

    def keep(self) -> None:
        """All of it is written, and there to stay when this returns. Raises OutOfSpace, Unavailable."""

    def close(self) -> None:
        """Idempotent."""


class OpenBlob(Protocol):
    """A blob that is being read, from anywhere in it. Whoever opened it closes it; threads may share it."""

    def read(self, start: int, size: int) -> bytes:
        """Up to so many bytes from there, fewer at the end. Raises Unavailable."""

    def close(self) -> None:
        """Idempotent."""


class Blobs(Protocol):
    """What is too long for the database, by an id that the gateway made. It is written once and never changed."""

    def create(self, id: str) -> NewBlob:
        """Raises OutOfSpace, Unavailable."""

    def open(self, id: str) -> OpenBlob:
        """Raises ContentMissing where it is not there, Unavailable where that cannot be known now."""

    def delete(self, id: str) -> None:
        """Idempotent; at once, also for whoever reads it just now on another machine."""

    def old(self, seconds: float) -> Iterator[str]:
        """The ids of all that was written, or was begun to be, longer ago than that."""
