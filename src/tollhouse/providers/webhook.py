"""One document to one address: what the gateway tells others of by itself."""

import re
from collections.abc import Mapping
from contextlib import closing
from typing import Self

from tollhouse.domain.errors import InvalidField, UpstreamRejected
from tollhouse.domain.webhooks import Receipt
from tollhouse.providers.addresses import Allowed, BaseURL, split_base_url
from tollhouse.providers.connections import Pool
from tollhouse.providers.deadlines import Deadlines
from tollhouse.providers.http import Line, send
from tollhouse.providers.proxy import Proxy
from tollhouse.settings import Settings

DEADLINES = Deadlines(connect=5.0, first_byte=5.0, idle=5.0, total=10.0)
_QUERY = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]*")
_SECONDS = re.compile(r"\d{1,9}")


class Webhook:
    """Posts to `url`, and to the address that was checked for it: not to one inside the network unless `allow_private`.
    Follows no redirect, and reads of an answer no more than its head.

    Each time over a connection of its own, so that any thread may send and nothing is left to be closed.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_private: Allowed,
        deadlines: Deadlines = DEADLINES,
        proxy: Proxy | None = None,
        ca_bundle: str = "",
    ) -> None:
        """Raises InvalidField for what is no http or https URL."""
        self._base, self._path = split_url(url)
        self._allow_private = allow_private
        self._deadlines = deadlines
        self._proxy = proxy
        self._ca_bundle = ca_bundle

    @classmethod
    def of(cls, settings: Settings, url: str, *, allow_private: Allowed) -> Self:
        """Reached as the settings say that hosts are."""
        return cls(url, allow_private=allow_private, proxy=Proxy.of(settings), ca_bundle=settings.ca_bundle)

    @property
    def name(self) -> str:
        """The receiver's name for errors, without what may be a secret."""
        return self._base.authority

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return once the receiver said that it has it. Raises UpstreamError."""
        status = self.send(body, headers).status
        if not 200 <= status < 300:
            raise UpstreamRejected(
                f"{self.name} answered with status {status}.", status=status, body=b"", content_type=""
            )

    def send(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Send JSON and return what was answered, whatever it is. Raises UpstreamError, which names neither path nor
        query: they may be a secret.
        """
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: {self.name}\r\nuser-agent: tollhouse\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\naccept-encoding: identity\r\n"
            f"{more}connection: close\r\n\r\n"
        )
        pool = Pool(self._base, self._allow_private, 1, proxy=self._proxy, ca_bundle=self._ca_bundle)
        line = Line(self.name, pool, self._deadlines, takes_any_body=True)
        with closing(pool), closing(send(line, head.encode(), body)) as exchange:
            return Receipt(exchange.status, _seconds(exchange.headers.get("retry-after")))


def split_url(url: str) -> tuple[BaseURL, str]:
    """Where the receiver is, and what it is asked for: path and query. Raises InvalidField."""
    address, _, query = url.partition("?")
    base = split_base_url(address)
    if not _QUERY.fullmatch(query):
        raise InvalidField("The query of the address has characters that must be percent-encoded.", param="url")
    # A slash at the end may be meant: `split_base_url` leaves it out.
    path = base.path + ("/" if address.endswith("/") and base.path else "") or "/"
    return base, f"{path}?{query}" if query else path


def _seconds(text: str | None) -> float | None:
    return float(text) if text and _SECONDS.fullmatch(text) else None
