"""What the inference endpoints share: a request in, a reply out."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask, request
from werkzeug.sansio.utils import get_content_length

from tollhouse import logs
from tollhouse.domain.call import Call
from tollhouse.domain.errors import BadRequest, TooLarge
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.tags import checked
from tollhouse.services.reply import Reply
from tollhouse.web import gate
from tollhouse.web.client_watch import end_with_client
from tollhouse.wire import FORMATS, json_text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORWARDED = (
    ("anthropic-version", "HTTP_ANTHROPIC_VERSION"),
    ("anthropic-beta", "HTTP_ANTHROPIC_BETA"),
    ("openai-beta", "HTTP_OPENAI_BETA"),
)
"""The caller's headers that a call carries on, as they are called here; a provider's preset chooses from them."""
REFUSAL = "tollhouse.refusal"
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class InferenceView:
    """The view of an endpoint: `Calls` answers what is posted there, and Flask what that refuses."""

    def __init__(self, format_name: str) -> None:
        self.format = format_name

    def __call__(self) -> NoReturn:
        raise request.environ.pop(REFUSAL)


class Calls:
    """Stands before Flask and answers what is posted to inference endpoints; the rest, and refusals, go on to Flask.

    For an answer that is relayed, Flask's contexts, routing, hooks and response take as long as all that the
    gateway itself does for it; docs/explanation/performance.md has the figures.
    """

    def __init__(self, app: Flask) -> None:
        self._flask: WSGIApplication = app.wsgi_app
        self._services = app.extensions["tollhouse"]
        self._longest_body: int = app.config["MAX_CONTENT_LENGTH"]
        self._formats = {
            rule.rule: view.format
            for rule in app.url_map.iter_rules()
            if isinstance(view := app.view_functions[rule.endpoint], InferenceView)
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        format_name = self._formats.get(gate.path_of(environ))
        if format_name is None or environ["REQUEST_METHOD"] != "POST":
            return self._flask(environ, start_response)
        request_id = environ[gate.REQUEST_ID] = new_id("req")
        logs.set_request_id(request_id)
        try:
            reply = self._open(format_name, request_id, environ)
        except Exception as error:  # noqa: BLE001 - whatever it is, Flask has the one place that answers errors
            environ[REFUSAL] = error
            return self._flask(environ, start_response)
        try:
            status = _STATUS_LINES.get(reply.status, f"{reply.status} UNKNOWN")
            start_response(status, [*_described(reply), *gate.named(environ, request_id)])
        except BaseException:
            reply.close()
            raise
        return reply  # which the server closes, however it ends

    def _open(self, format_name: str, request_id: str, environ: "WSGIEnvironment") -> Reply:
        """Authenticate, read, open."""
        principal = gate.authenticate(self._services.authentication, environ)
        text = _body(environ, self._longest_body)
        body = json_text.read_object(text)
        facts = FORMATS[format_name].read(body, len(text))
        headers = {name: value for name, key in FORWARDED if (value := environ.get(key))}
        strict = environ.get("HTTP_X_TOLLHOUSE_STRICT", "").lower() in ("true", "1")
        tags = environ.get("HTTP_X_TOLLHOUSE_TAGS")
        call = Call(
            request_id,
            format_name,
            body,
            facts,
            headers,
            strict,
            tags=checked(tags.split(","), "X-Tollhouse-Tags") if tags else (),
        )
        end_with_client(environ)
        reply: Reply = self._services.serve().inference.open(principal, call)
        return reply


def _described(reply: Reply) -> list[tuple[str, str]]:
    headers = [
        ("content-type", reply.content_type),
        ("x-tollhouse-model", reply.model),
        ("x-tollhouse-provider", reply.provider),
        ("x-tollhouse-attempts", str(reply.attempts)),
    ]
    headers += reply.headers.items()
    if reply.dropped:
        headers.append(("x-tollhouse-dropped", ", ".join(reply.dropped)))
    if reply.cap is not None:
        headers.append(("x-tollhouse-output-cap", str(reply.cap)))
    if reply.streamed:
        headers += (("cache-control", "no-cache"), ("x-accel-buffering", "no"))
        return headers
    headers.append(("content-length", str(reply.size)))
    if (cost := reply.cost) is not None:
        headers.append(("x-tollhouse-cost-usd", usd_from_nanos(cost)))
    return headers


def _body(environ: Mapping[str, Any], longest: int) -> bytes:
    """The whole body. Past Werkzeug's own limit, which cuts a body without a length there and says nothing."""
    length = get_content_length(environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING"))
    stream = environ["wsgi.input"]
    if length is None:
        text: bytes = stream.read(longest + 1) if environ.get("wsgi.input_terminated") else b""
    else:
        text = stream.read(length) if length <= longest else b""
    if max(len(text), length or 0) > longest:
        raise TooLarge(f"The body has more than {longest} bytes, the most that this gateway takes.")
    if length is not None and len(text) < length:
        raise BadRequest("The body ended before the length that was given for it.")
    return text
