"""What the inference endpoints share: a request in, a reply out."""

import errno
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask, Response, request

from tollhouse import logs, traces
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.course import Course
from tollhouse.domain.errors import BudgetExceeded, RateLimited, TollhouseError, Unavailable, UpstreamError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Outside, at_once
from tollhouse.domain.principal import Principal
from tollhouse.domain.tags import Tags
from tollhouse.services.calls.reply import Reply
from tollhouse.services.given import GivenAnswer
from tollhouse.services.repeats.repeats import Recorded
from tollhouse.services.routing.routing import SESSION_HEADER
from tollhouse.web import gate
from tollhouse.web.body_memory import BodyMemory, BodyRoom
from tollhouse.web.client_watch import begin_in_turn, end_with_client
from tollhouse.web.errors import refusal
from tollhouse.web.inference import once
from tollhouse.web.inference.body import PIECE, read_body
from tollhouse.web.inference.reply_headers import Said, headers_of
from tollhouse.web.inference.spool import UploadSpool
from tollhouse.web.inference.upload import Upload
from tollhouse.wire import FORM_FORMATS, FORMATS, json_text
from tollhouse.wire.format import FormFormat
from tollhouse.wiring_serving import Serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORWARDED = (
    ("anthropic-version", "HTTP_ANTHROPIC_VERSION"),
    ("anthropic-beta", "HTTP_ANTHROPIC_BETA"),
    ("openai-beta", "HTTP_OPENAI_BETA"),
    (SESSION_HEADER, "HTTP_X_TOLLHOUSE_SESSION"),
)
"""The caller's headers that a call carries on, as they are called here; a provider's preset chooses from them."""
REFUSAL = "tollhouse.refusal"
AT_ONCE = (Unavailable, RateLimited, BudgetExceeded)
"""What is refused because there is too much of it: Flask would spend more on that than was saved."""
Open = Callable[[Principal, Call], Reply | GivenAnswer]
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

    def __init__(self, reply: Reply | Recorded) -> None:
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
        self._memory = BodyMemory(self._services.settings.body_memory_bytes)
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
        course = Course(
            traces.begin(f"POST {path}", "server", environ.get("HTTP_TRACEPARENT"), environ.get("HTTP_TRACESTATE"))
        )
        try:
            reply = self._open(view, request_id, environ, course)
        except AT_ONCE as error:
            _end_trace(course, error, request_id)
            status_code, headers, body = refusal(error, environ, request_id)
            start_response(_status_line(status_code), [*headers, *gate.named(environ, request_id)])
            return (body,)
        except Exception as error:  # noqa: BLE001 - whatever it is, Flask has the one place that answers errors
            _end_trace(course, error, request_id)
            environ[REFUSAL] = error
            return self._flask(environ, start_response)
        try:
            start_response(_status_line(reply.status), [*headers_of(reply), *gate.named(environ, request_id)])
            if course.trace is not None and isinstance(reply, GivenAnswer):
                course.trace.end(None, {"http.response.status_code": reply.status, "tollhouse.request_id": request_id})
        except BaseException:
            reply.close()
            raise
        if isinstance(reply, GivenAnswer) or reply.tells_failures:
            return reply  # which the server closes, however it ends
        return CutOff(reply)

    def _open(self, view: InferenceView, request_id: str, environ: "WSGIEnvironment", course: Course) -> Said:
        """Authenticate, read, open. What is refused behind the first is noted under the request's id."""
        begin_in_turn(environ)
        course.stage("authenticate")
        principal = gate.authenticate(self._services.authentication, environ)
        try:
            return self._open_for(principal, view, request_id, environ, course)
        except TollhouseError as error:
            self._services.serve().notes.failed(request_id, principal.team_id, principal.key_id, error)
            raise

    def _open_for(
        self, principal: Principal, view: InferenceView, request_id: str, environ: "WSGIEnvironment", course: Course
    ) -> Said:
        """Read, open."""
        # Before its body is read: what has no place is not worth the reading.
        self._services.serve().inference.check_room(principal.priority)
        headers = {name: value for name, key in FORWARDED if (value := environ.get(key))}
        strict = gate.strict(environ)
        tags = gate.tags(environ)
        course.stage("read")
        if view.format in FORM_FORMATS:
            return self._open_upload(
                FORM_FORMATS[view.format], request_id, principal, headers, strict, tags, environ, course
            )
        control = gate.cache_control(environ)
        room = self._memory.room()
        try:
            body, facts = self._read(view.format, environ, room, course)
            call = Call(
                request_id,
                view.format,
                body,
                facts,
                headers,
                strict,
                room=room,
                tags=tags,
                cache_control=control,
                course=course,
            )
            return self._enter(view.way_in(self._services.serve()), principal, call, environ)
        finally:
            room.close()

    def _enter(self, way_in: Open, principal: Principal, call: Call, environ: "WSGIEnvironment") -> Said:
        key = environ.get(once.KEY)
        if key is None:
            return way_in(principal, call)
        services = self._services
        answer: Recorded | GivenAnswer = services.repeats.open(
            principal.key_id,
            key,
            once.fingerprint(environ["PATH_INFO"], call, services.outside),
            call.request_id,
            lambda: way_in(principal, call),
            lambda id: services.serve().background.follow(principal, id),
            changes=bool(call.body.get("background")),
        )
        return answer

    def _read(
        self, format_name: str, environ: "WSGIEnvironment", room: BodyRoom, course: Course
    ) -> tuple[dict[str, Any], Facts]:
        """The document, which is all that is left of the body's bytes, and its facts."""
        began = time.monotonic()
        text = read_body(environ, self._longest_body, room)
        course.client += time.monotonic() - began
        _watch(environ)
        outside: Outside = self._services.outside if len(text) >= json_text.LARGE else at_once
        if len(text) >= PIECE:
            room.work(outside(lambda: json_text.weigh(text)))
        return outside(lambda: _parsed(format_name, text))

    def _open_upload(
        self,
        format: FormFormat,
        request_id: str,
        principal: Principal,
        headers: Mapping[str, str],
        strict: bool,
        tags: Tags,
        environ: "WSGIEnvironment",
        course: Course,
    ) -> Said:
        settings = self._services.settings
        with closing(Upload(environ, settings.max_upload_bytes, UploadSpool(settings.home))) as upload:
            began = time.monotonic()
            form = upload.read()
            course.client += time.monotonic() - began
            call = Call(
                request_id,
                format.name,
                form.fields,
                format.read_form(form),
                headers,
                strict,
                form=form,
                tags=tags,
                course=course,
            )
            _watch(environ)
            return self._enter(self._services.serve().inference.open, principal, call, environ)


def _watch(environ: "WSGIEnvironment") -> None:
    """From here on the call is for its client alone; but who has a key for it may come back for the answer."""
    if once.KEY not in environ:
        end_with_client(environ)


def _status_line(status: int) -> str:
    return _STATUS_LINES.get(status) or f"{status} UNKNOWN"


def _end_trace(course: Course, error: Exception, request_id: str) -> None:
    """Of a call that was not let in; that of others has ended."""
    if course.trace is not None:
        told = error if isinstance(error, TollhouseError) else TollhouseError
        course.trace.end(told.code, {"http.response.status_code": told.status, "tollhouse.request_id": request_id})


def _parsed(format_name: str, text: bytes | bytearray) -> tuple[dict[str, Any], Facts]:
    body = json_text.read_object(text)
    return body, FORMATS[format_name].read(body, len(text))


def json_response(document: Mapping[str, Any]) -> Response:
    """Of an endpoint that calls nobody."""
    return Response(json_text.write(document), content_type="application/json")
