"""Identifiers: prefixed, unique, and sortable by the time that they were made."""

import os
import time
from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_DIGITS = bytes(_ALPHABET[byte % 32].encode()[0] for byte in range(256))
"""Of each byte, its lowest five bits as a digit."""
_RANDOM = 16
_STOCK = 256
_stock: list[str] = []
"""Random parts of ids to come: a system call for each id would give the interpreter away as often."""
os.register_at_fork(after_in_child=_stock.clear)


def new_id(prefix: str, mark: str = "_") -> str:
    """`prefix`, `mark` and 26 characters: 48 bits of Unix milliseconds, then 80 random bits (a ULID).

    Ids made in different milliseconds sort by time; within one millisecond their order is random.
    """
    while True:
        try:
            random = _stock.pop()
            break
        except IndexError:
            digits = os.urandom(_STOCK * _RANDOM).translate(_DIGITS).decode()
            _stock.extend(digits[at : at + _RANDOM] for at in range(0, len(digits), _RANDOM))
    return f"{prefix}{mark}{_clock(time.time_ns() // 1_000_000)}{random}"


@lru_cache(16)
def _clock(milliseconds: int) -> str:
    return "".join(_ALPHABET[milliseconds >> shift & 31] for shift in range(45, -1, -5))
