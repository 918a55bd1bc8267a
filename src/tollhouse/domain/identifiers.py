"""Identifiers: prefixed, unique, and sortable by the time that they were made."""

import os
import time
from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_DIGITS = bytes(_ALPHABET[byte % 32].encode()[0] for byte in range(256))
"""Of each byte, its lowest five bits as a digit."""


def new_id(prefix: str, mark: str = "_") -> str:
    """`prefix`, `mark` and 26 characters: 48 bits of Unix milliseconds, then 80 random bits (a ULID).

    Ids made in different milliseconds sort by time; within one millisecond their order is random.
    """
    random = os.urandom(16).translate(_DIGITS).decode()
    return f"{prefix}{mark}{_clock(time.time_ns() // 1_000_000)}{random}"


@lru_cache(16)
def _clock(milliseconds: int) -> str:
    return "".join(_ALPHABET[milliseconds >> shift & 31] for shift in range(45, -1, -5))
