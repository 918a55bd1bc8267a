"""The first look at a provider's answer: whether it is one, before any of it goes on."""

import re

from tollhouse.domain.errors import UpstreamError, UpstreamInvalid, UpstreamRejected
from tollhouse.domain.ports import Exchange
from tollhouse.domain.routes import Host, Target
from tollhouse.wire import json_text
from tollhouse.wire.host_error import read_host_error
from tollhouse.wire.host_limits import wished_pause

LONGEST_ERROR = 64 * 1024
"""Bytes of an upstream's error that are read."""
MASK = b"***"
_JSON = re.compile(r"application/(?:[a-z0-9.-]+\+)?json\b", re.IGNORECASE)


def expect_success(exchange: Exchange, target: Target, expected: tuple[str, ...]) -> str:
    """The content type of an answer that is one, which begins like one of the expected. Raises UpstreamRejected,
    UpstreamInvalid.
    """
    content_type = exchange.headers.get("content-type", "")
    if not 200 <= exchange.status < 300:
        raise UpstreamRejected(
            f"The provider {target.host.name} answered with status {exchange.status}.",
            status=exchange.status,
            body=read_error(exchange, target.host),
            content_type=content_type,
            retry_after=wished_pause(exchange.headers),
        )
    if not content_type.lower().startswith(expected):
        if _JSON.match(content_type) and (told := _read_failure(exchange, target.host)) is not None:
            body, status = told
            raise UpstreamRejected(
                f"The provider {target.host.name} sent an error under a status of success.",
                status=status,
                body=body,
                content_type=content_type,
                retry_after=wished_pause(exchange.headers),
            )
        raise UpstreamInvalid(
            f"The provider {target.host.name} answered with {content_type[:60]!r} where {expected[0]} was asked for."
        )
    return content_type


def _read_failure(exchange: Exchange, host: Host) -> tuple[bytes, int] | None:
    """The error that a document is which nobody asked for, and the status that belongs to it; None where it is none."""
    body = read_error(exchange, host)
    document = json_text.read_leniently(body)
    if not isinstance(document, dict) or not document.get("error"):
        return None
    return body, read_host_error(document).status


def read_error(exchange: Exchange, host: Host) -> bytes:
    """What it says, without the credential that it came for, which some hosts quote: callers get to read it, and so do
    logs. b"" where it is too long, or broke off.
    """
    body = b""
    try:
        while len(body) <= LONGEST_ERROR and (chunk := exchange.read()):
            body += chunk
    except UpstreamError:
        return b""
    if len(body) > LONGEST_ERROR:
        return b""
    for secret in {host.credential, *(key.credential for key in host.keys)}:
        if secret:
            body = body.replace(secret.encode(), MASK)
    return body
