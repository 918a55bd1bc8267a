"""Secrets at rest, sealed under the server's secret key."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tollhouse.domain.errors import InvalidSetting


class FernetVault:
    """The vault port on Fernet: AES-128-CBC and HMAC-SHA-256, with a key derived for this use alone."""

    def __init__(self, secret: str) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=b"tollhouse vault").derive(secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def unseal(self, sealed: str) -> str:
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise InvalidSetting(
                "A provider's key was sealed under another TOLLHOUSE_SECRET_KEY: "
                "set that one, or add the provider anew.",
                param="TOLLHOUSE_SECRET_KEY",
            ) from None
