"""The one place that turns an error into a response, in the caller's own dialect."""

import math
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Response, current_app, g, request
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import DataError, SQLAlchemyError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.exceptions import MethodNotAllowed as NotThisMethod
from werkzeug.exceptions import NotFound as NoSuchPath

from tollhouse import logs
from tollhouse.domain.errors import (
    RELAYED,
    BadRequest,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    TollhouseError,
    TooLarge,
    Unavailable,
    UpstreamError,
    UpstreamRejected,
)
from tollhouse.domain.retries import again
from tollhouse.web.gate import dialect, dialect_of, path_of
from tollhouse.wire import json_text
from tollhouse.wire.dialects import error_body, is_error_body, status_of
from tollhouse.wire.host_error import read_host_error
from tollhouse.wire.rate_limit_headers import rate_limit_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def register(app: Flask) -> None:
    """Every error of the application ends here."""
    # Slashes too many are taken away before; what is left would be answered with a redirect, which SDKs do not expect.
    app.url_map.merge_slashes = False
    app.register_error_handler(TollhouseError, _tollhouse_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ParseException, _broken_body)
    app.register_error_handler(TimeoutError, _stalled_body)
    app.register_error_handler(DataError, _value_not_taken)
    app.register_error_handler(SQLAlchemyError, _database_away)
    app.register_error_handler(Exception, _defect)


def _tollhouse_error(error: TollhouseError) -> Response:
    if isinstance(error, UpstreamRejected):
        return _rejected(error)
    if isinstance(error, UpstreamError):
        logs.event("upstream_failed", level=logs.WARNING, code=error.code, error=error.message)
    return respond(error)


def _rejected(error: UpstreamRejected) -> Response:
    logs.event("upstream_rejected", level=logs.WARNING, status=error.upstream_status, error=error.message)
    if error.upstream_status not in RELAYED:
        # The provider's words may quote its credential, and say nothing that the caller can mend.
        problem = UpstreamError(error.message + " Ask whoever runs this gateway to run `tollhouse providers check`.")
        problem.may_retry = again(error).here
        return respond(problem)
    said = json_text.read_leniently(error.body)
    language = dialect()
    if is_error_body(said, language):
        return _with_headers(Response(error.body, error.status, content_type="application/json"), error, language)
    # The caller's SDK would find nothing where it looks.
    told = read_host_error(said, error.upstream_status)
    if words := told.anthropic_message if language == "anthropic" else told.message:
        error.message = f"{error.message.rstrip('.')}: {words}"
    error.param = told.param or None
    error.code = told.openai_code or error.code
    return respond(error)


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        return respond(TooLarge("The body is larger than this gateway takes: TOLLHOUSE_MAX_BODY_BYTES."))
    if isinstance(error, NoSuchPath):
        return respond(NotFound(f"There is nothing at this path. {_what_there_is()}"))
    if isinstance(error, NotThisMethod):
        response = respond(MethodNotAllowed("This path does not take this method."))
        response.headers["allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response
    status = error.code or 500
    if error.response is not None or status < 400:
        return Response(error.get_body(), status, error.get_headers())
    problem = BadRequest(error.description or HTTPStatus(status).phrase)
    problem.status = status
    return respond(problem)


def _what_there_is() -> str:
    """What a base URL with /v1 twice or not at all should have led to, where that can be seen."""
    path = path_of(request.environ)
    meant = path.removeprefix("/v1") if path.startswith("/v1/v1/") else f"/v1{path}"
    if current_app.url_map.bind("").test(meant, request.method):
        # The SDK behind it shows what is told in its own shape, and nothing else.
        request.environ["PATH_INFO"] = meant
        return f"Is {meant[:100]} meant? Then the SDK's base URL has /v1 too much or too little at its end."
    return "What there is, is in /openapi.json and in the documentation."


def _broken_body(error: ParseException) -> Response:
    return respond(BadRequest(f"The body cannot be read: {error}"[:200]))


def _stalled_body(_error: TimeoutError) -> Response:
    problem = BadRequest("The body did not come in time.")
    problem.status = 408
    return respond(problem)


def _value_not_taken(error: DataError) -> Response:
    logs.event("value_not_taken", level=logs.WARNING, error=str(error.orig)[:200])
    return respond(BadRequest("The database cannot look for a value of this request, such as a text with a NUL in it."))


def _database_away(error: SQLAlchemyError) -> Response:
    logs.event("database_away", level=logs.ERROR, error=type(error).__name__)
    return respond(Unavailable("The database does not answer. Try again.", retry_after=1))


def _defect(error: Exception) -> Response:
    logs.event("defect", level=logs.ERROR, error=error)
    return respond(TollhouseError(f"The gateway failed; the log has the reason under {g.get('request_id')}."))


def respond(error: TollhouseError) -> Response:
    """The error as a response."""
    language = dialect()
    status, content_type, body = written(error, language, g.get("request_id", ""))
    return _with_headers(Response(body, status, content_type=content_type), error, language)


def refusal(
    error: TollhouseError, environ: "WSGIEnvironment", request_id: str
) -> tuple[int, list[tuple[str, str]], bytes]:
    """The same without Flask, whose response takes ten times as long: for what is refused when there is too much."""
    language = dialect_of(environ)
    status, content_type, body = written(error, language, request_id)
    headers = [("content-type", content_type), ("content-length", str(len(body))), *_headers_of(error, language)]
    return status, headers, body


def written(error: TollhouseError, language: str, request_id: str) -> tuple[int, str, bytes]:
    """Status, content type and body, in a vendor's dialect or as a "problem" (RFC 9457)."""
    if language != "problem":
        body = error_body(error, language, request_id)
        return status_of(error, language), "application/json", json_text.write(body)
    body = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    if error.param:
        body["param"] = error.param
    return error.status, "application/problem+json", json_text.write(body)


def _with_headers(response: Response, error: TollhouseError, language: str) -> Response:
    response.headers.extend(_headers_of(error, language))
    return response


def _headers_of(error: TollhouseError, language: str) -> list[tuple[str, str]]:
    headers = []
    if error.retry_after is not None:
        # Rounded up: who comes back a moment too early is refused once more.
        headers.append(("retry-after", str(max(1, math.ceil(error.retry_after)))))
    if isinstance(error, RateLimited) and error.retry_after is not None:
        headers.append(("retry-after-ms", str(round(error.retry_after * 1000))))
    if error.standing is not None:
        headers.extend(rate_limit_headers(error.standing, language))
    if error.may_retry is not None:
        headers.append(("x-should-retry", "true" if error.may_retry else "false"))
    if error.status == 401:
        headers.append(("www-authenticate", "Bearer"))
    return headers
