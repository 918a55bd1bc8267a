"""How an operation of the management API is documented, from what it declares."""

from collections.abc import Sequence
from typing import Any

from flask_restx import Namespace

from tollhouse.services.repeats.idempotency import PARAM
from tollhouse.web import idempotency
from tollhouse.web.validation import schema

_DONE = {302: "Go there."}
_MEANINGS = {
    400: "A field is not as it must be: `param` names it.",
    401: "There is no access token that is good.",
    403: "The role that the caller has does not give the right.",
    404: "There is no such thing, or not for this caller.",
    409: "It does not go with what is there.",
    412: "It is no longer what `If-Match` says.",
    413: "The body is too large.",
    414: "The address, with its query, is too long.",
    415: "The body is encoded (`Content-Encoding`).",
    429: "Too many attempts.",
    503: "The database does not answer.",
}


def describe(
    namespace: Namespace,
    run: Any,
    id: str,
    answer: str | None,
    body: str | None,
    query: str | None,
    many: bool,
    tagged: bool,
    status: int,
    public: bool,
    repeatable: bool,
    errors: Sequence[int],
) -> None:
    """What Swagger shows of it, as `operation` was told."""
    about: dict[str, Any] = {"id": id, "produces": ["application/json", "application/problem+json"]}
    about["security"] = [] if public else "token"
    if query:
        about["params"] = {name: {"in": "query", **one} for name, one in schema(query)["properties"].items()}
    if repeatable:
        about.setdefault("params", {})[PARAM] = idempotency.PARAMETER
    namespace.doc(**about)(run)
    if body:
        namespace.expect(_model(namespace, body), validate=False)(run)
    if answer is None:
        namespace.response(204 if status == 200 else status, _DONE.get(status, "Done."))(run)
    else:
        model = _model(namespace, answer, many=many)
        headers = {"etag": "what to send as `If-Match` with a change"} if tagged else {}
        namespace.response(status, "Done.", model, headers=headers)(run)
    told = {503, *errors}
    told |= {400, 413, 415} if body else set()
    told |= {400, 414} if query else set()
    told |= set() if public else {401, 403}
    meanings = _MEANINGS
    if repeatable:
        told |= {400, *idempotency.MEANINGS}
        meanings = {**_MEANINGS, **idempotency.MEANINGS}
    for one in sorted(told):
        headers = {"retry-after": "seconds to wait"} if one in (429, 503) else {}
        namespace.response(one, meanings[one], namespace.schema_model("Problem", schema("problem")), headers=headers)(
            run
        )


def _as_swagger(part: Any) -> Any:
    """A schema as Swagger 2.0 has it, which knows no type null."""
    if isinstance(part, list):
        return [_as_swagger(one) for one in part]
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if isinstance(kind, list):
        part = {**part, "type": next(one for one in kind if one != "null"), "x-nullable": True}
    return {name: value if name == "example" else _as_swagger(value) for name, value in part.items()}


def _model(namespace: Namespace, name: str, *, many: bool = False) -> Any:
    """The model of a schema, under its name in capitals: `key_rotation` is KeyRotation."""
    title = "".join(part.capitalize() for part in name.split("_"))
    if not many:
        return namespace.schema_model(title, _as_swagger(schema(name)))
    item = _as_swagger(schema(name))
    return namespace.schema_model(
        f"{title}Page",
        {
            "type": "object",
            "required": ["data", "next"],
            "properties": {
                "data": {"type": "array", "items": item},
                "next": {"type": "string", "x-nullable": True, "description": "what to send as `after` for more"},
            },
            "example": {"data": [item["example"]], "next": None},
        },
    )
