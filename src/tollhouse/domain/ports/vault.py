"""Secrets at rest."""

from typing import Protocol


class Vault(Protocol):
    """Keeps secrets at rest."""

    def seal(self, secret: str) -> str: ...

    def unseal(self, sealed: str) -> str:
        """Raises InvalidSetting when it was sealed under a secret key that is not at hand."""
