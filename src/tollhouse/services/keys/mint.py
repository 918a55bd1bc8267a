"""API keys: what they look like, and how they are told apart without a database."""

import hmac
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

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


@dataclass(frozen=True, slots=True)
class KeySeed:
    """What of a secret keys are made and known by. Whoever has it can make only keys that are in no database."""

    check: bytes
    digest: bytes

    @classmethod
    def of(cls, secret: str) -> "KeySeed":
        return cls(
            hmac.digest(secret.encode(), b"tollhouse api key checksum", "sha256"),
            hmac.digest(secret.encode(), b"tollhouse api key digest", "sha256"),
        )

    @classmethod
    def from_text(cls, text: str) -> "KeySeed":
        check, digest = (bytes.fromhex(part) for part in text.split(":"))
        return cls(check, digest)

    def to_text(self) -> str:
        return f"{self.check.hex()}:{self.digest.hex()}"


class KeyMint:
    """Makes keys under the newest of the server's secrets, and recognises those of any.

    A key ends in a keyed checksum of itself, so that one that was never ours is refused without a
    look at the database, and nobody can make one that costs us a look. The checksum tells as well which secret made it.
    """

    def __init__(self, *secrets: str) -> None:
        """The secrets, newest first."""
        self._of_old: tuple[KeySeed, ...] = ()
        self.use(*secrets)

    def use(self, *secrets: str) -> None:
        """These secrets from here on, newest first."""
        self._of_secrets = tuple(KeySeed.of(secret) for secret in secrets)
        self._newest = self._of_secrets[0]

    def recall(self, seeds: Iterable[KeySeed]) -> None:
        """Recognise the keys of these as well: of secrets that were forgotten."""
        self._of_old = tuple(seeds)

    def mint(self) -> MintedKey:
        """A key with 190 random bits."""
        body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
        key = PREFIX + body + _checksum(self._newest, body)
        return MintedKey(key, self.digest(key), key[-4:])

    def stored_as(self, key: str) -> str | None:
        """The digest under which the key is stored where a secret of ours made it, None where none did; says nothing
        of whether it is still good.
        """
        if not _SHAPE.match(key):
            return None
        body, check = key[len(PREFIX) : -_CHECK], key[-_CHECK:]
        for seed in (*self._of_secrets, *self._of_old):
            if hmac.compare_digest(_checksum(seed, body), check):
                return _digest(seed, key)
        return None

    def digest(self, key: str) -> str:
        """The keyed hash under which a new key is stored, and any is cached: of all of it, never of a part."""
        return _digest(self._newest, key)


def _digest(seed: KeySeed, key: str) -> str:
    mac = _begun(seed.digest).copy()
    mac.update(key.encode())
    return mac.hexdigest()


@lru_cache(64)
def _begun(key: bytes) -> hmac.HMAC:
    """A copy of it costs less than beginning anew, and unlike that does not give the interpreter away."""
    return hmac.new(key, digestmod="sha256")


def _checksum(seed: KeySeed, body: str) -> str:
    number = int.from_bytes(hmac.digest(seed.check, body.encode(), "sha256")[:8], "big")
    characters = []
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(characters)
