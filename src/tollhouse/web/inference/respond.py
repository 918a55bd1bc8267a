"""What the inference endpoints share: a request in, a reply out."""

import errno
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask, Response, request
from werkzeug.sansio.utils import get_content_length

from tollhouse import logs
from tollhouse.domain.call import Call
from tollhouse.domain.errors import BadRequest, TooLarge, UpstreamError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.principal import Principal
from tollhouse.services.reply import Reply
from tollhouse.web import gate
from tollhouse.web.client_watch import end_with_client
from tollhouse.web.inference.upload import Upload
from tollhouse.wire import FORM_FORMATS, FORMATS, json_text
from tollhouse.wire.format import FormFormat
from tollhouse.wire.rate_limit_headers import rate_limit_headers
from tollhouse.wiring import Serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORWARDED = (
    ("anthropic-version", "HTTP_ANTHROPIC_VERSION"),
    ("anthropic-beta", "HTTP_ANTHROPIC_BETA"),
    ("openai-beta", "HTTP_OPENAI_BETA"),
)
"""The caller's headers that a call carries on, as they are called here; a provider's preset chooses from them."""
REFUSAL = "tollhouse.refusal"
Open = Callable[[Principal, Call], Reply]
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class InferenceView:
    """The view of an endpoint: `Calls` answers what is posted there, and Flask what that refuses.

    `way_in` is where its calls go into the pipeline.
    """

    def __init__(
        self, format_name: str, way_in: Callable[[Serving], Open] = lambda serving: serving.inference.open
    ) -> None:
        self.format = format_name
        self.way_in = way_in

    def __call__(self) -> NoReturn:
        raise request.environ.pop(REFUSAL)


class CutOff:
    """A reply in which no word of ours can stand: where it breaks off, so does the connection."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.close = reply.close

    def __iter__(self) -> "CutOff":
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._reply)
        except UpstreamError as error:
            # As if the client had gone: there is nothing more to be said to it, nor to the log.
            raise ConnectionResetError(errno.ECONNRESET, error.message) from error


class Calls:
    """Stands before Flask and answers what is posted to inference endpoints; the rest, and refusals, go on to Flask.

    For an answer that is relayed, Flask's contexts, routing, hooks and response take as long as all that the
    gateway itself does for it; docs/explanation/performance.md has the figures.
    """

    def __init__(self, app: Flask) -> None:
        self._flask: WSGIApplication = app.wsgi_app
        self._services = app.extensions["tollhouse"]
        self._longest_body: int = app.config["MAX_CONTENT_LENGTH"]
        self._views = {
            rule.rule: view
            for rule in app.url_map.iter_rules()
            if isinstance(view := app.view_functions[rule.endpoint], InferenceView)
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"] = gate.path_of(environ)
        view = self._views.get(path)
        if view is None or environ["REQUEST_METHOD"] != "POST":
            return self._flask(environ, start_response)
        request_id = environ[gate.REQUEST_ID] = new_id("req")
        logs.set_request_id(request_id)
        try:
            reply = self._open(view, request_id, environ)
        except Exception as error:  # noqa: BLE001 - whatever it is, Flask has the one place that answers errors
            environ[REFUSAL] = error
            return self._flask(environ, start_response)
        try:
            status = _STATUS_LINES.get(reply.status, f"{reply.status} UNKNOWN")
            start_response(status, [*_described(reply), *gate.named(environ, request_id)])
        except BaseException:
            reply.close()
            raise
        return reply if reply.tells_failures else CutOff(reply)  # which the server closes, however it ends

    def _open(self, view: InferenceView, request_id: str, environ: "WSGIEnvironment") -> Reply:
        """Authenticate, read, open."""
        principal = gate.authenticate(self._services.authentication, environ)
        headers = {name: value for name, key in FORWARDED if (value := environ.get(key))}
        strict = gate.strict(environ)
        if view.format in FORM_FORMATS:
            return self._open_upload(FORM_FORMATS[view.format], request_id, principal, headers, strict, environ)
        text = _body(environ, self._longest_body)
        body = json_text.read_object(text)
        facts = FORMATS[view.format].read(body, len(text))
        call = Call(request_id, view.format, body, facts, headers, strict)
        end_with_client(environ)
        return view.way_in(self._services.serve())(principal, call)

    def _open_upload(
        self,
        format: FormFormat,
        request_id: str,
        principal: Principal,
        headers: Mapping[str, str],
        strict: bool,
        environ: "WSGIEnvironment",
    ) -> Reply:
        settings = self._services.settings
        with closing(Upload(environ, settings.max_upload_bytes, settings.home)) as upload:
            form = upload.read()
            call = Call(request_id, format.name, form.fields, format.read_form(form), headers, strict, form=form)
            end_with_client(environ)
            reply: Reply = self._services.serve().inference.open(principal, call)
        return reply


def json_response(document: Mapping[str, Any]) -> Response:
    """Of an endpoint that calls nobody."""
    return Response(json_text.write(document), content_type="application/json")


def _described(reply: Reply) -> list[tuple[str, str]]:
    headers = [
        ("content-type", reply.content_type),
        ("x-tollhouse-model", reply.model),
        ("x-tollhouse-provider", reply.provider),
        ("x-tollhouse-attempts", str(reply.attempts)),
    ]
    headers += reply.headers.items()
    if reply.standing is not None:
        headers += rate_limit_headers(reply.standing, reply.dialect or "openai")
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
