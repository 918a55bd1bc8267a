"""The gate: who is calling, in whose dialect, and whether the request may come in at all."""

import re
from collections.abc import Mapping
from typing import Any, cast

from flask import current_app, g, request

from tollhouse import logs, traces
from tollhouse.domain.caching import CacheControl
from tollhouse.domain.call import HOP_HEADER
from tollhouse.domain.errors import BadRequest, Forbidden, InvalidField, UnsupportedEncoding
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.principal import Principal
from tollhouse.domain.tags import Tags, checked
from tollhouse.services.keys.authentication import Authentication
from tollhouse.wire.cache_control import read_cache_control
from tollhouse.wiring import Services

ANTHROPIC_PATH = "/v1/messages"
VENDOR_PATHS = "/v1/"
REQUEST_ID = "tollhouse.request_id"
"""Where a request's environment has its id, once it was named before Flask saw it."""
KEY_HEADERS = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_API_KEY")
"""Where a key may be: the first that has one counts. The last is Azure's SDK's."""
STRICT = "X-Tollhouse-Strict"
TAGS = "X-Tollhouse-Tags"
_AROUND_A_KEY = " \t\"'"
_SLASHES = re.compile("/{2,}")
_YES_OR_NO = {"true": True, "1": True, "false": False, "0": False}
LONGEST_TRACE = 100
_HOP = f"HTTP_{HOP_HEADER.upper().replace('-', '_')}"


def services() -> Services:
    """The services of this process."""
    return cast(Services, current_app.extensions["tollhouse"])


def open_request() -> None:
    """Before every request: name it, so that each of its log lines and errors can be found."""
    g.request_id = request.environ.get(REQUEST_ID) or new_id("req")
    logs.set_request_id(g.request_id)


def request_id() -> str:
    """Of the request that Flask has."""
    return str(g.request_id)


def dialect() -> str:
    """Whose errors the caller understands: "openai", "anthropic", or "problem" (RFC 9457) elsewhere."""
    return dialect_of(request.environ)


def named(environ: Mapping[str, Any], request_id: str) -> list[tuple[str, str]]:
    """The headers that tell a response's request, as the caller's SDK looks for them."""
    headers = [("x-request-id", request_id)]
    if dialect_of(environ) == "anthropic":
        headers.append(("request-id", request_id))
    return headers


def authenticate(authentication: Authentication, environ: Mapping[str, Any]) -> Principal:
    """The caller of an inference request whose headers ask for nothing that is not done. Raises Unauthenticated,
    Forbidden, BadRequest.
    """
    principal = authentication.principal(_key(environ), environ.get("HTTP_X_TOLLHOUSE_TEAM"))
    if principal.paths is not None and not principal.may_call(path_of(environ)):
        raise Forbidden("This API key may not call this path.", param="path")
    if principal.networks is not None and not principal.may_come_from(environ.get("REMOTE_ADDR", "")):
        raise Forbidden("This API key may not be used from this address.")
    if _HOP in environ:
        raise BadRequest(
            "This call was sent by a Tollhouse: a provider's base URL must lead to the provider, not to a gateway."
        )
    if (encoding := environ.get("HTTP_CONTENT_ENCODING", "")) and encoding.strip().lower() != "identity":
        raise UnsupportedEncoding(
            f"The body is encoded ({encoding[:40]!r}), and this gateway reads plain ones: send it without "
            "Content-Encoding.",
            param="Content-Encoding",
        )
    return principal


def strict(environ: Mapping[str, Any]) -> bool:
    """Whether the caller would rather be refused than lose a field in translation. Raises InvalidField."""
    said = environ.get("HTTP_X_TOLLHOUSE_STRICT")
    if said is None:
        return False
    chosen = _YES_OR_NO.get(said.strip().lower())
    if chosen is None:
        raise InvalidField(f"{STRICT}: this header is true or false, or 1 or 0.", param=STRICT)
    return chosen


def cache_control(environ: Mapping[str, Any]) -> CacheControl | None:
    """What the caller says of replies that were made before. Raises InvalidField."""
    said = environ.get("HTTP_CACHE_CONTROL")
    return read_cache_control(said) if said else None


def tags(environ: Mapping[str, Any]) -> Tags:
    """What the caller tags this call with. Raises InvalidField."""
    said = environ.get("HTTP_X_TOLLHOUSE_TAGS")
    return checked(said.split(","), TAGS) if said else ()


def trace(environ: Mapping[str, Any]) -> str | None:
    """The caller's `traceparent`, for what is done after the answer."""
    said = environ.get("HTTP_TRACEPARENT", "").strip()
    return said if said and len(said) <= LONGEST_TRACE and traces.read_parent(said) else None


def caller() -> Principal:
    """Who makes the request that Flask has."""
    return authenticate(services().authentication, request.environ)


def path_of(environ: Mapping[str, Any]) -> str:
    """The path as it is matched. Slashes too many make no difference, as of a base URL that ends in one."""
    path: str = environ["PATH_INFO"]
    if "//" in path or not path.startswith("/"):
        path = _SLASHES.sub("/", f"/{path}")
    return path.rstrip("/") if path.endswith("/") and path.startswith(VENDOR_PATHS) else path


def dialect_of(environ: Mapping[str, Any]) -> str:
    """The same of a request that Flask need not have."""
    path = path_of(environ)
    if not f"{path}/".startswith(VENDOR_PATHS):
        return "problem"
    anthropic = path == ANTHROPIC_PATH or path.startswith(f"{ANTHROPIC_PATH}/")
    return "anthropic" if anthropic or "HTTP_ANTHROPIC_VERSION" in environ else "openai"


def _key(environ: Mapping[str, Any]) -> str | None:
    """The key, however the caller's SDK sends it, and whatever was pasted around it."""
    for header in KEY_HEADERS:
        said = environ.get(header)
        if said and (key := _plain(said)):
            return key
    return None


def _plain(said: str) -> str:
    """The key alone, with or without `Bearer` in any spelling; "" for another scheme's credential."""
    words = said.strip(_AROUND_A_KEY).split(None, 1)
    if len(words) == 2 and words[0].lower() == "bearer":
        return words[1].strip(_AROUND_A_KEY)
    return words[0] if len(words) == 1 and words[0].lower() != "bearer" else ""
