"""API keys: what they look like, and how they are told apart without a database."""

import hmac
import re
import secrets
import string
from dataclasses import dataclass

PREFIX = "sk-th-"
_ALPHABET = string.digits + string.ascii_letters
_RANDOM = 32
_CHECK = 8
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}\Z")


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key. `key` is shown once; `digest` and `hint` are what is kept."""

    key: str
    digest: str
    hint: str


class KeyMint:
    """Makes and recognises keys under the server's secret.

    A key ends in a keyed checksum of itself, so that one that was never ours is refused without a
    look at the database, and nobody can make one that costs us a look.
    """

    def __init__(self, secret: str) -> None:
        self._check_key = hmac.digest(secret.encode(), b"tollhouse api key checksum", "sha256")
        self._digest_key = hmac.digest(secret.encode(), b"tollhouse api key digest", "sha256")

    def mint(self) -> MintedKey:
        """A key with 190 random bits."""
        body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
        key = PREFIX + body + self._checksum(body)
        return MintedKey(key, self.digest(key), key[-4:])

    def is_ours(self, key: str) -> bool:
        """Whether this secret made the key; says nothing of whether it is still good."""
        if not _SHAPE.match(key):
            return False
        body, check = key[len(PREFIX) : -_CHECK], key[-_CHECK:]
        return hmac.compare_digest(self._checksum(body), check)

    def digest(self, key: str) -> str:
        """The keyed hash under which a key is stored and cached: of all of it, never of a part."""
        return hmac.digest(self._digest_key, key.encode(), "sha256").hex()

    def _checksum(self, body: str) -> str:
        number = int.from_bytes(hmac.digest(self._check_key, body.encode(), "sha256")[:8], "big")
        characters = []
        for _ in range(_CHECK):
            number, digit = divmod(number, len(_ALPHABET))
            characters.append(_ALPHABET[digit])
        return "".join(characters)
