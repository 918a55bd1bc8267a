"""What people's tokens are signed with: a key of each of the server's secrets, named in the token's head."""

import hmac
from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import InvalidToken

_ID_LENGTH = 16


class TokenKeys:
    """Signs with the key of the newest secret. A token says by `kid` whose key it is, so each is tried with one."""

    def __init__(self, *secrets: str) -> None:
        """The secrets, newest first."""
        self.use(*secrets)

    def use(self, *secrets: str) -> None:
        """These secrets from here on, newest first."""
        keys = [_key(secret) for secret in secrets]
        self._by_id = {_id(key): key for key in keys}
        self.newest, self.newest_id = keys[0], _id(keys[0])

    def of(self, header: Mapping[str, Any]) -> str:
        """The key of a token with this head. Raises InvalidToken where it is of none of our secrets."""
        id = header.get("kid", self.newest_id)
        key = self._by_id.get(id) if isinstance(id, str) else None
        if key is None:
            raise InvalidToken("This token was signed with a key that is not, or not any more, this gateway's.")
        return key


def _key(secret: str) -> str:
    """Made from the server's secret for this use alone."""
    return hmac.digest(secret.encode(), b"tollhouse access token", "sha256").hex()


def _id(key: str) -> str:
    return hmac.digest(key.encode(), b"tollhouse token key id", "sha256").hex()[:_ID_LENGTH]
