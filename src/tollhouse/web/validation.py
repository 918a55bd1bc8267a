"""Bodies and queries of the management API: closed schemas, compiled once, checked after the caller is known."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson
from flask import request
from jsonschema_rs import ValidationErrorKind

from tollhouse.domain.errors import BadRequest, InvalidField, TooLarge, UnsupportedEncoding
from tollhouse.wire import json_text

LONGEST_BODY = 256 * 1024
Schema = dict[str, Any]


@cache
def schema(name: str) -> Schema:
    """The schema in `api/schemas/NAME.json`, which the documentation shows as well."""
    text = (files("tollhouse.web.api") / "schemas" / f"{name}.json").read_bytes()
    document: Schema = orjson.loads(text)
    return document


def read_body(name: str) -> Mapping[str, Any]:
    """The body of this request, after its schema. Call it once the caller is known. Raises BadRequest.

    No body is an empty object, which a schema without required fields allows.
    """
    text = _body()
    body = json_text.read_object(text) if text or schema(name).get("required") else {}
    _check(name, body)
    return {field: _whole(value) for field, value in body.items()}


def read_query(name: str) -> Mapping[str, Any]:
    """The query of this request, after its schema, in the types that it says. Raises InvalidField."""
    kinds = {field: about.get("type") for field, about in schema(name)["properties"].items()}
    query: dict[str, Any] = {}
    for field, values in request.args.lists():
        if len(values) > 1:
            raise InvalidField(f"{field[:60]}: it is given more than once.", param=field[:60])
        query[field] = _number(values[0]) if kinds.get(field) == "integer" else values[0]
    _check(name, query)
    defaults = {field: about["default"] for field, about in schema(name)["properties"].items() if "default" in about}
    return defaults | query


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _body() -> bytes:
    """All of it. Past Werkzeug's own limit, which cuts a body without a length there and says nothing."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedEncoding(
            f"The body is encoded ({encoding[:40]!r}), and this gateway reads plain ones: send it without "
            "Content-Encoding.",
            param="Content-Encoding",
        )
    length, stream = request.content_length, request.environ["wsgi.input"]
    if length is None:
        text: bytes = stream.read(LONGEST_BODY + 1) if request.environ.get("wsgi.input_terminated") else b""
    else:
        text = stream.read(length) if length <= LONGEST_BODY else b""
    if max(len(text), length or 0) > LONGEST_BODY:
        raise TooLarge(f"The body has more than {LONGEST_BODY} bytes, the most that is taken here.")
    if length is not None and len(text) < length:
        raise BadRequest("The body ended before the length that was given for it.")
    return text


def _check(name: str, document: Mapping[str, Any]) -> None:
    errors = sorted(_validator(name).iter_errors(document), key=lambda error: len(error.instance_path))
    if errors:
        raise _complaint(errors[0])
    _refuse_nul(document, "")


def _whole(value: Any) -> Any:
    """A number without a fraction is whole to a schema, however it is written: 5.0 and 1e3 too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse_nul(value: Any, field: str) -> None:
    """PostgreSQL has no text with this character in it."""
    if isinstance(value, str) and "\0" in value:
        raise InvalidField(f"{field}: it has a character that cannot be kept.", param=field)
    if isinstance(value, Mapping):
        for name, one in value.items():
            _refuse_nul(one, f"{field}.{name}".removeprefix("."))
    if isinstance(value, list):
        for index, one in enumerate(value):
            _refuse_nul(one, f"{field}[{index}]")


@cache
def _validator(name: str) -> Any:
    # What was sent may be a password, so no message quotes it.
    return jsonschema_rs.validator_for(schema(name), mask="what was sent")


def _complaint(error: jsonschema_rs.ValidationError) -> InvalidField:
    path, complaint = [*error.instance_path], error.message
    if isinstance(error.kind, ValidationErrorKind.Required):
        path, complaint = [*path, error.kind.property], "this field is required"
    elif isinstance(error.kind, ValidationErrorKind.AdditionalProperties):
        path, complaint = [*path, error.kind.unexpected[0]], "there is no such field"
    elif isinstance(error.kind, ValidationErrorKind.Enum):
        options = ("null" if one is None else str(one) for one in error.kind.options)
        complaint = f"it must be one of {', '.join(options)}"
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    field = "".join(steps).removeprefix(".")[:200]
    return InvalidField(f"{field or 'The body'}: {complaint}.", param=field or None)
