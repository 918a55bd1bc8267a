"""Long values at rest: each sealed under a key of its own, which the vault seals."""

import base64
import os
import zlib
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tollhouse.domain.errors import InvalidSetting

NONCE_BYTES = 12
KEY_BITS = 256


class Keeper(Protocol):
    """What keeps the keys: the vault."""

    def seal(self, secret: str) -> str: ...

    def unseal(self, sealed: str) -> str: ...


class SealedBoxes:
    """AES-256-GCM over deflated bytes. A box opens with its own key and under its own label alone, so that none can be
    put in the place of another.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def seal(self, label: str, content: bytes) -> tuple[str, bytes]:
        """Its key, sealed by the vault, and the box."""
        key, nonce = AESGCM.generate_key(KEY_BITS), os.urandom(NONCE_BYTES)
        box = nonce + AESGCM(key).encrypt(nonce, zlib.compress(content, 1), label.encode())
        return self._keeper.seal(base64.b64encode(key).decode()), box

    def open(self, label: str, data_key: str, box: bytes) -> bytes:
        """Raises InvalidSetting where the secret of its key is not at hand, or the box was changed."""
        key = base64.b64decode(self._keeper.unseal(data_key))
        try:
            return zlib.decompress(AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], label.encode()))
        except (InvalidTag, zlib.error):
            raise InvalidSetting("What was kept of this call was changed since, and cannot be read.") from None
