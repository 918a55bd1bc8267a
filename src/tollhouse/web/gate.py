"""The gate: who is calling, in whose dialect, and whether the request may come in at all."""

from typing import cast

from flask import Request, current_app, g, request

from tollhouse import logs
from tollhouse.domain.call import HOP_HEADER
from tollhouse.domain.errors import BadRequest, Unsupported
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.principal import Principal
from tollhouse.wiring import Services

ANTHROPIC_PATH = "/v1/messages"
VENDOR_PATHS = "/v1/"


def services() -> Services:
    """The services of this process."""
    return cast(Services, current_app.extensions["tollhouse"])


def open_request() -> None:
    """Before every request: name it, so that each of its log lines and errors can be found."""
    g.request_id = new_id("req")
    logs.set_request_id(g.request_id)


def dialect() -> str:
    """Whose errors the caller understands: "openai", "anthropic", or "problem" (RFC 9457) elsewhere."""
    path = request.path
    if not path.startswith(VENDOR_PATHS):
        return "problem"
    anthropic = path == ANTHROPIC_PATH or path.startswith(f"{ANTHROPIC_PATH}/")
    return "anthropic" if anthropic or "anthropic-version" in request.headers else "openai"


def authenticate() -> Principal:
    """The caller of an inference request. Raises Unauthenticated, BadRequest."""
    principal = services().authentication.principal(_key(request))
    if HOP_HEADER in request.headers:
        raise BadRequest(
            "This call was sent by a Tollhouse: a provider's base URL must lead to the provider, not to a gateway."
        )
    if "Idempotency-Key" in request.headers:
        raise Unsupported(
            "Idempotency-Key is not supported yet: leave it out. The call was not made.",
            param="Idempotency-Key",
        )
    return principal


def _key(request: Request) -> str | None:
    """The key, however the caller's SDK sends it."""
    scheme, _, credential = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    return request.headers.get("x-api-key", "").strip() or None
