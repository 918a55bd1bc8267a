"""Secrets at rest, sealed under the server's secret keys."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tollhouse.domain.errors import InvalidSetting


class FernetVault:
    """The vault port on Fernet: AES-128-CBC and HMAC-SHA-256, with keys derived for this use alone. Seals with the
    newest secret, and opens with any.
    """

    def __init__(self, *secrets: str) -> None:
        """The secrets, newest first."""
        self.use(*secrets)

    def use(self, *secrets: str) -> None:
        """These secrets from here on, newest first."""
        keys = [_fernet(secret) for secret in secrets]
        self._newest, self._any = keys[0], MultiFernet(keys)

    def seal(self, secret: str) -> str:
        return self._newest.encrypt(secret.encode()).decode()

    def unseal(self, sealed: str) -> str:
        try:
            return self._any.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise InvalidSetting(
                "A provider's key was sealed under another TOLLHOUSE_SECRET_KEY: "
                "set that one, or add the provider anew.",
                param="TOLLHOUSE_SECRET_KEY",
            ) from None

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the newest secret."""
        try:
            self._newest.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True


def _fernet(secret: str) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"tollhouse vault").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
