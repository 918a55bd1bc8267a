"""Brings what webhooks are told to their receivers: not inside the network, but where that is allowed.

A name is looked up once for each attempt, and the connection made to an address that was checked; no redirect is
followed. Of an answer only its head is read.
"""

from collections.abc import Mapping
from typing import Self

from tollhouse.domain.errors import InvalidField, UpstreamError, UpstreamGone, UpstreamRefused, UpstreamTimeout
from tollhouse.domain.webhooks import Receipt
from tollhouse.providers.addresses import Allowed, literal_of, may_be_at
from tollhouse.providers.deadlines import Deadlines
from tollhouse.providers.proxy import Proxy
from tollhouse.providers.webhook import Webhook, split_url
from tollhouse.settings import Settings

CONNECT_SECONDS = 5.0
ALLOWED_BY = "TOLLHOUSE_WEBHOOK_NETWORKS says which are allowed"


class HttpCourier:
    """The Courier port."""

    def __init__(
        self,
        networks: Allowed,
        answer_seconds: float,
        *,
        allowed_by: str = ALLOWED_BY,
        proxy: Proxy | None = None,
        ca_bundle: str = "",
    ) -> None:
        """`networks` are those of this network in which receivers may be, which `allowed_by` tells whoever asks for
        another; `answer_seconds` is what they have for an answer once they are connected to.
        """
        self._networks = networks
        self._allowed_by = allowed_by
        self._deadlines = Deadlines(
            connect=CONNECT_SECONDS,
            first_byte=answer_seconds,
            idle=answer_seconds,
            total=answer_seconds + CONNECT_SECONDS,
        )
        self._proxy = proxy
        self._ca_bundle = ca_bundle

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            settings.webhook_networks,
            settings.webhook_answer_seconds,
            proxy=Proxy.of(settings),
            ca_bundle=settings.ca_bundle,
        )

    @property
    def longest(self) -> float:
        """Seconds that one attempt takes at most."""
        return self._deadlines.total

    def check(self, url: str) -> None:
        """Raise InvalidField, which does not repeat the URL, unless something may be sent to it."""
        try:
            host = split_url(url)[0].host
        except InvalidField:
            raise InvalidField(
                "url: it must be like https://hooks.example.com/path?query, without a user name, a fragment or spaces.",
                param="url",
            ) from None
        literal = literal_of(host)
        local = host.rstrip(".").rpartition(".")[2] == "localhost"
        if literal or local:
            address = literal or "127.0.0.1"
            if not may_be_at(address, self._networks):
                raise InvalidField(f"url: {host} is at a private address; {self._allowed_by}.", param="url")

    def bring(self, url: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        webhook = Webhook(
            url,
            allow_private=self._networks,
            deadlines=self._deadlines,
            proxy=self._proxy,
            ca_bundle=self._ca_bundle,
        )
        try:
            return webhook.send(body, headers)
        except UpstreamError as error:
            error.message = self._reworded(webhook.name, error)
            raise

    def _reworded(self, name: str, error: UpstreamError) -> str:
        """As what it is to whoever has a webhook: the words of the adapters are about providers."""
        if isinstance(error, UpstreamTimeout):
            return f"{name} did not answer within {self._deadlines.first_byte:g} s."
        if isinstance(error, UpstreamGone):
            return f"{name} closed the connection without an answer."
        if not isinstance(error, UpstreamRefused):
            return f"{name} sent what is not HTTP."
        said = error.message.partition(";")[0].rstrip(".")
        return f"{said}; {self._allowed_by}." if said.endswith("at a private address") else f"{said}."
