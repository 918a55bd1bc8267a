"""The errors of an operation, as its callers get them: read off the tree in `domain/errors/`."""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from tollhouse.domain import errors
from tollhouse.domain.errors import RELAYED, TollhouseError
from tollhouse.web.openapi import headers
from tollhouse.wire.dialects import error_body, status_of

OF_ANY = (errors.Unauthenticated, errors.Unsupported, errors.UnsupportedEncoding, errors.Unavailable)
"""What any request can end in, beside a failure of the gateway itself."""
OF_CALLS = (
    errors.InvalidJSON,
    errors.InvalidField,
    errors.TooLarge,
    errors.Forbidden,
    errors.UnknownModel,
    errors.BudgetExceeded,
    errors.UpstreamError,
)
OF_REPEATS = (errors.AlreadyUnderWay, errors.NotKept, errors.KeyReused)
"""Of what carries an Idempotency-Key."""

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "openai": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": {"type": ["string", "null"], "description": "The field that is wrong, by its path."},
                    "code": {"type": ["string", "null"]},
                },
            }
        },
    },
    "anthropic": {
        "type": "object",
        "required": ["type", "error", "request_id"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
            },
            "request_id": {"type": "string"},
        },
    },
}
NAMES = {"openai": "OpenAIError", "anthropic": "AnthropicError"}


def failures(kinds: Iterable[type[TollhouseError]], dialect: str, *, is_call: bool) -> dict[str, Any]:
    """The responses that are errors, by status."""
    found: dict[int, list[TollhouseError]] = {500: [_one(TollhouseError)]}
    for kind in dict.fromkeys(one for root in kinds for one in _tree(root)):
        error = _one(kind)
        found.setdefault(status_of(error, dialect), []).append(error)
    relayed = RELAYED if is_call else frozenset()
    for status in relayed - found.keys():
        found[status] = []
    return {
        str(status): _response(status, found[status], dialect, relays=status in relayed) for status in sorted(found)
    }


def _response(status: int, told: list[TollhouseError], dialect: str, *, relays: bool) -> dict[str, Any]:
    codes = ", ".join(f"`{code}`" for code in dict.fromkeys(error.code for error in told))
    sentences = [f"{_phrase(status)}."]
    if codes and dialect == "openai":
        sentences.append(f"`code` is {codes}.")
    if relays:
        sentences.append("Or the provider's own, passed on.")
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{NAMES[dialect]}"}}
    if told:
        content["example"] = error_body(told[0], dialect, "req_01jd0000000000000000000000")
    shown = {**headers.REQUEST_ID, **headers.FAILURE}
    return {
        "description": " ".join(sentences),
        "headers": headers.responses(shown),
        "content": {"application/json": content},
    }


def _tree(root: type[TollhouseError]) -> Iterator[type[TollhouseError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _tree(kind)


def _one(kind: type[TollhouseError]) -> TollhouseError:
    """An error of this kind, whatever its own constructor wants to be told."""
    error = kind.__new__(kind)
    TollhouseError.__init__(error, "What is wrong, in one sentence that says what to do.")
    return error


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Overloaded"
