"""Secrets of webhooks and what is signed with them, by Standard Webhooks (https://www.standardwebhooks.com)."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from secrets import token_bytes

from standardwebhooks import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 33
"""The specification wants 24 to 64. Of a multiple of three the base64 has no padding, on which verifiers differ."""
HINT = 4


def new_secret() -> str:
    """A secret as receivers take it."""
    return PREFIX + b64encode(token_bytes(SECRET_BYTES)).decode()


def hint_of(secret: str) -> str:
    """How it ends, by which people know it again."""
    return secret[-HINT:]


def signed(secrets: Iterable[str], event_id: str, body: bytes, now: datetime) -> Mapping[str, str]:
    """The headers of one attempt: receivers take it that know any of the secrets. The id stays over attempts, and the
    time is the attempt's own.
    """
    text, now = body.decode(), now.astimezone(UTC)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, now, text) for secret in secrets),
    }
