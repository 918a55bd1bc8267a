"""One document to one address: what the gateway tells others of by itself."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from tollhouse.domain.errors import InvalidField, UpstreamRejected
from tollhouse.providers.addresses import split_base_url
from tollhouse.providers.connections import Pool
from tollhouse.providers.deadlines import Deadlines
from tollhouse.providers.http import Line, send
from tollhouse.providers.proxy import Proxy

DEADLINES = Deadlines(connect=5.0, first_byte=5.0, idle=5.0, total=10.0)
_QUERY = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]*")


class Webhook:
    """Posts to `url`, and to the address that was checked for it: not to one inside the network unless `allow_private`.
    Follows no redirect.
    """

    def __init__(self, url: str, *, allow_private: bool, proxy: Proxy | None = None, ca_bundle: str = "") -> None:
        """Raises InvalidField for what is no http or https URL."""
        address, _, query = url.partition("?")
        self._url = split_base_url(address)
        if not _QUERY.fullmatch(query):
            raise InvalidField("The query of the address has characters that must be percent-encoded.", param="url")
        path = self._url.path or "/"
        self._path = f"{path}?{query}" if query else path
        self._pool = Pool(self._url, allow_private, 1, proxy=proxy, ca_bundle=ca_bundle)

    def post(self, document: Mapping[str, Any]) -> None:
        """Return once the receiver said that it has it. Raises UpstreamError, which names neither path nor query: they
        may be a secret.
        """
        body = orjson.dumps(document)
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: {self._url.authority}\r\nuser-agent: tollhouse\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\naccept-encoding: identity\r\n"
            "connection: close\r\n\r\n"
        )
        exchange = send(Line(self._url.authority, self._pool, DEADLINES), head.encode(), body)
        try:
            status = exchange.status
        finally:
            exchange.close()
        if not 200 <= status < 300:
            raise UpstreamRejected(
                f"{self._url.authority} answered with status {status}.", status=status, body=b"", content_type=""
            )

    def close(self) -> None:
        self._pool.close()
