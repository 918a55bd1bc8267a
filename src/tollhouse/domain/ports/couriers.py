"""What webhooks are told, on its way."""

from collections.abc import Mapping
from typing import Protocol

from tollhouse.domain.webhooks import Receipt


class Courier(Protocol):
    """Brings what webhooks are told. Any thread may ask it; whoever does ends with the adapters' `end_thread`."""

    def check(self, url: str) -> None:
        """Raise InvalidField for what is no address that anything may be sent to. Looks no name up."""

    def bring(self, url: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Send once, to an address that was checked, and return what was answered, whatever it is. Follows no redirect.

        Raises UpstreamError, whose message has neither path nor query: they may be a secret.
        """
