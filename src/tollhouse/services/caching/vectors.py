"""Vectors of texts, as they are kept and compared: eight bits a number, which moves a similarity by a thousandth or so.

A bucket is a string of records, each of the same length. Of those in it the ones are compared whose signs differ least;
the signs of a vector are a number with a bit for each, and how many differ is one instruction.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from math import isfinite, sqrt
from operator import mul
from struct import Struct

LONGEST = 8192
"""Numbers of a vector."""
_HEAD = Struct("<d32sd")
"""When the reply was made, its key, and the vector's length."""
_LARGEST = 127
_PRODUCTS = 16_384
"""That one look at a bucket takes at most, about a millisecond."""
_FEWEST = 8
"""That are compared whatever that takes."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A question that was asked before, and how similar it is, to four digits. `key` is its reply's."""

    similarity: float
    key: str
    made_at: float


class Vector:
    """What an embedding model makes of a text."""

    __slots__ = ("_length", "_numbers", "_signs")

    def __init__(self, numbers: "array[int]") -> None:
        """The numbers are from -127 to 127, and not all of them 0."""
        self._numbers = numbers
        self._length = sqrt(sum(map(mul, numbers, numbers)))
        self._signs = int("".join(["1" if number < 0 else "0" for number in numbers]), 2)

    def __len__(self) -> int:
        return len(self._numbers)

    def record(self, key: str, made_at: float) -> bytes:
        """Of the reply to this text, for a bucket. The key is 64 hexadecimal digits."""
        head = _HEAD.pack(made_at, bytes.fromhex(key), self._length)
        return head + self._signs.to_bytes(self._sign_bytes) + self._numbers.tobytes()

    def neighbours(self, bucket: bytes, least: float, since: float) -> list[Neighbour]:
        """Those in the bucket that are this similar, of replies made since then: the most similar first."""
        start = _HEAD.size + self._sign_bytes
        size = start + len(self)
        if len(bucket) % size:
            return []  # of other vectors
        view, found = memoryview(bucket), []
        for at in range(0, len(bucket), size):
            if _HEAD.unpack_from(bucket, at)[0] >= since:
                signs = int.from_bytes(view[at + _HEAD.size : at + start])
                found.append(((signs ^ self._signs).bit_count(), at))
        near: dict[str, Neighbour] = {}
        for _, at in nsmallest(max(_FEWEST, _PRODUCTS // len(self)), found):
            made_at, key, length = _HEAD.unpack_from(bucket, at)
            product = sum(map(mul, self._numbers, view[at + start : at + size].cast("b")))
            similarity = round(product / (self._length * length), 4)
            if similarity >= least:
                near[key.hex()] = Neighbour(similarity, key.hex(), made_at)
        return sorted(near.values(), key=lambda one: -one.similarity)

    @property
    def _sign_bytes(self) -> int:
        return (len(self) + 7) // 8


def vector_of(numbers: Sequence[float]) -> Vector | None:
    """None where they point nowhere, or are more than anybody's."""
    if not 0 < len(numbers) <= LONGEST or not all(map(isfinite, numbers)):
        return None
    largest = max(map(abs, numbers))
    if not largest:
        return None
    return Vector(array("b", [round(number / largest * _LARGEST) for number in numbers]))
