"""The gate: who is calling, in whose dialect, and whether the request may come in at all."""

from collections.abc import Mapping
from typing import Any, cast

from flask import current_app, g, request

from tollhouse import logs
from tollhouse.domain.call import HOP_HEADER
from tollhouse.domain.errors import BadRequest, Unsupported
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.principal import Principal
from tollhouse.services.authentication import Authentication
from tollhouse.wiring import Services

ANTHROPIC_PATH = "/v1/messages"
VENDOR_PATHS = "/v1/"
REQUEST_ID = "tollhouse.request_id"
"""Where a request's environment has its id, once it was named before Flask saw it."""
_HOP = f"HTTP_{HOP_HEADER.upper().replace('-', '_')}"


def services() -> Services:
    """The services of this process."""
    return cast(Services, current_app.extensions["tollhouse"])


def open_request() -> None:
    """Before every request: name it, so that each of its log lines and errors can be found."""
    g.request_id = request.environ.get(REQUEST_ID) or new_id("req")
    logs.set_request_id(g.request_id)


def dialect() -> str:
    """Whose errors the caller understands: "openai", "anthropic", or "problem" (RFC 9457) elsewhere."""
    return _dialect(request.environ)


def named(environ: Mapping[str, Any], request_id: str) -> list[tuple[str, str]]:
    """The headers that tell a response's request, as the caller's SDK looks for them."""
    headers = [("x-request-id", request_id)]
    if _dialect(environ) == "anthropic":
        headers.append(("request-id", request_id))
    return headers


def authenticate(authentication: Authentication, environ: Mapping[str, Any]) -> Principal:
    """The caller of an inference request. Raises Unauthenticated, BadRequest."""
    principal = authentication.principal(_key(environ))
    if _HOP in environ:
        raise BadRequest(
            "This call was sent by a Tollhouse: a provider's base URL must lead to the provider, not to a gateway."
        )
    if "HTTP_IDEMPOTENCY_KEY" in environ:
        raise Unsupported(
            "Idempotency-Key is not supported yet: leave it out. The call was not made.",
            param="Idempotency-Key",
        )
    return principal


def path_of(environ: Mapping[str, Any]) -> str:
    """The path as Flask matches it: how many slashes it begins with makes no difference."""
    return f"/{environ['PATH_INFO'].lstrip('/')}"


def _dialect(environ: Mapping[str, Any]) -> str:
    path = path_of(environ)
    if not path.startswith(VENDOR_PATHS):
        return "problem"
    anthropic = path == ANTHROPIC_PATH or path.startswith(f"{ANTHROPIC_PATH}/")
    return "anthropic" if anthropic or "HTTP_ANTHROPIC_VERSION" in environ else "openai"


def _key(environ: Mapping[str, Any]) -> str | None:
    """The key, however the caller's SDK sends it."""
    scheme, _, credential = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "bearer" and (credential := credential.strip()):
        return cast(str, credential)
    return environ.get("HTTP_X_API_KEY", "").strip() or None
