"""The files of a batch in OpenAI's shapes: lines that ask, lines that answer."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Facts
from tollhouse.domain.errors import InvalidField, InvalidJSON, TollhouseError
from tollhouse.wire import FORMATS, json_text

ENDPOINTS: Mapping[str, str] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/messages": "messages",
    "/v1/responses": "responses",
}
"""The format of the calls of each endpoint that a batch may be for."""
LONGEST_CUSTOM_ID = 256


class MismatchedEndpoint(InvalidField):
    """A line is for another endpoint than its batch."""

    code = "mismatched_endpoint"


def read_line(text: bytes, endpoint: str) -> tuple[str, dict[str, Any], Facts]:
    """The custom id, the body and its facts. Raises BadRequest, which names the field."""
    try:
        line = json_text.read_object(text)
    except InvalidJSON as error:
        # Of a line, "line 1" would mislead.
        error.message = error.message.replace("The body", "The line").replace("at line 1, column", "at column")
        error.code = "invalid_json_line"
        raise
    custom_id, body = line.get("custom_id"), line.get("body")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= LONGEST_CUSTOM_ID or "\0" in custom_id:
        raise InvalidField(f"custom_id: a text of 1 to {LONGEST_CUSTOM_ID} characters is required.", param="custom_id")
    if line.get("method") != "POST":
        raise InvalidField("method: it must be POST.", param="method")
    if line.get("url") != endpoint:
        said = repr(line.get("url"))[:60]
        raise MismatchedEndpoint(f"url: it must be {endpoint}, as the batch's endpoint is; it is {said}.", param="url")
    if not isinstance(body, dict):
        raise InvalidField("body: an object is required.", param="body")
    try:
        facts = FORMATS[ENDPOINTS[endpoint]].read(body, len(text))
    except TollhouseError as error:
        error.param = f"body.{error.param}" if error.param else "body"
        raise
    if facts.stream:
        raise InvalidField("body.stream: a batch has no streams; leave it out.", param="body.stream")
    return custom_id, body, facts


def answered(line_id: str, custom_id: str, status: int, request_id: str, body: bytes) -> bytes:
    """The line of an answer, or of an error that a host or the gateway gave. `body` is valid JSON of any layout."""
    head = json_text.write({"id": line_id, "custom_id": custom_id})[:-1]
    response = json_text.write({"status_code": status, "request_id": request_id})[:-1]
    # In valid JSON an end of a line stands between values alone.
    one_line = body.replace(b"\n", b"").replace(b"\r", b"")
    return b'%b,"response":%b,"body":%b},"error":null}' % (head, response, one_line)


def not_made(line_id: str, custom_id: str, code: str, message: str) -> bytes:
    """The line of a call that was not made."""
    error = {"code": code, "message": message}
    return json_text.write({"id": line_id, "custom_id": custom_id, "response": None, "error": error})
