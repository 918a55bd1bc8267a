"""What the inference endpoints share: a request in, a reply out."""

from flask import Response, current_app, g, request
from werkzeug.datastructures import Headers

from tollhouse.domain.call import Call
from tollhouse.domain.errors import BadRequest, TooLarge
from tollhouse.domain.money import usd_from_nanos
from tollhouse.services.reply import Reply
from tollhouse.web.gate import authenticate, services
from tollhouse.wire import FORMATS, json_text

FORWARDED = ("anthropic-version", "anthropic-beta")
"""The caller's headers that a call carries on; a provider's preset chooses from them."""


def infer(format_name: str) -> Response:
    """Authenticate, read, open, and relay."""
    principal = authenticate()
    text = _body()
    body = json_text.read_object(text)
    facts = FORMATS[format_name].read(body, len(text))
    headers = {name: value for name in FORWARDED if (value := request.headers.get(name))}
    call = Call(g.request_id, format_name, body, facts, headers)
    return respond(services().serve().inference.open(principal, call))


def respond(reply: Reply) -> Response:
    """A response that relays the reply and, however it ends, closes it."""
    try:
        response = Response(reply, reply.status, content_type=reply.content_type)
        response.call_on_close(reply.close)
        _describe(reply, response.headers)
    except BaseException:
        reply.close()
        raise
    return response


def _describe(reply: Reply, headers: Headers) -> None:
    headers["x-tollhouse-model"] = reply.model
    headers["x-tollhouse-provider"] = reply.provider
    headers["x-tollhouse-attempts"] = str(reply.attempts)
    if reply.cap is not None:
        headers["x-tollhouse-output-cap"] = str(reply.cap)
    if reply.streamed:
        headers["cache-control"] = "no-cache"
        headers["x-accel-buffering"] = "no"
        return
    headers["content-length"] = str(reply.size)
    if reply.cost is not None:
        headers["x-tollhouse-cost-usd"] = usd_from_nanos(reply.cost)


def _body() -> bytes:
    """The whole body. Past Werkzeug's own limit, which cuts a body without a length there and says nothing."""
    longest, length = current_app.config["MAX_CONTENT_LENGTH"], request.content_length
    stream = request.environ["wsgi.input"]
    if length is None:
        text: bytes = stream.read(longest + 1) if request.environ.get("wsgi.input_terminated") else b""
    else:
        text = stream.read(length) if length <= longest else b""
    if max(len(text), length or 0) > longest:
        raise TooLarge(f"The body has more than {longest} bytes, the most that this gateway takes.")
    if length is not None and len(text) < length:
        raise BadRequest("The body ended before the length that was given for it.")
    return text
