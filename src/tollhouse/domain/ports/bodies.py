"""What is sent to a host."""

from collections.abc import Iterator
from typing import Protocol


class LongBody(Protocol):
    """A body that is not held whole: its length is known, and each attempt iterates it anew."""

    content_type: str

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


Body = bytes | LongBody
"""JSON, or what says itself what it is."""
