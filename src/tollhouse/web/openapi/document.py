"""The document, from the routes of the application."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

import tollhouse
from tollhouse.web.description import EVENTS, JSON, Operation, operations_of
from tollhouse.web.gate import ANTHROPIC_PATH, VENDOR_PATHS
from tollhouse.web.inference.respond import InferenceView
from tollhouse.web.openapi import headers
from tollhouse.web.openapi.failures import NAMES, OF_ANY, OF_CALLS, OF_REPEATS, SCHEMAS, failures
from tollhouse.web.openapi.webhooks import webhooks
from tollhouse.wire import json_text

_ABOUT = (
    "Point the official OpenAI SDK at `/v1` here, or Anthropic's at `/`. Requests and answers are the vendors' own: "
    "the schemas have what the gateway reads of a request, and every other field is passed on. Answers are shown by "
    "an example; the vendors' documentation has all of their fields. A stream that breaks ends with one error event."
)
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key", "description": "As Azure's SDK sends it."},
}
_SCHEMAS = files("tollhouse.wire") / "schemas"
_BINARY = {"type": "string", "format": "binary"}
_ARGUMENT = re.compile("<(?:[^:<>]*:)?([^<>]+)>")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def document(app: Flask) -> dict[str, Any]:
    """All operations that are described beside their routes."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {name: SCHEMAS[dialect] for dialect, name in NAMES.items()}
    tags: dict[str, None] = {}
    for rule, method, view in sorted(inference_routes(app), key=lambda one: (one[0].rule, one[1])):
        operation = operations_of(view).get(method)
        if operation is None:
            continue  # which a test tells
        schema = operation.schema or _schema_of_format(view)
        if schema:
            schemas[schema] = _schema(schema)
        tags[operation.tag] = None
        paths.setdefault(path_of(rule), {})[method.lower()] = _operation(rule, operation, view, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tollhouse", "version": tollhouse.__version__, "summary": "Inference", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in _SECURITY],
        "tags": [{"name": tag} for tag in sorted({*tags, "Webhooks"})],
        "paths": paths,
        "webhooks": webhooks(),
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


def inference_routes(app: Flask) -> Iterator[tuple[Rule, str, object]]:
    """Every route of the vendors' APIs: rule, method, view."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(VENDOR_PATHS):
            for method in _METHODS & (rule.methods or set()):
                yield rule, method, app.view_functions[rule.endpoint]


def path_of(rule: Rule) -> str:
    """A rule as OpenAPI writes it: `/v1/models/{name}`."""
    return _ARGUMENT.sub(r"{\1}", rule.rule)


def _operation(rule: Rule, operation: Operation, view: object, schema: str | None) -> dict[str, Any]:
    is_call = isinstance(view, InferenceView)
    dialect = "anthropic" if f"{rule.rule}/".startswith(f"{ANTHROPIC_PATH}/") else "openai"
    posted = any(method == "POST" and other is operation for method, other in operations_of(view).items())
    kinds = (*OF_ANY, *(OF_CALLS if is_call else ()), *(OF_REPEATS if posted else ()), *operation.errors)
    told: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [
            *_parameters(rule, operation),
            *headers.parameters(headers.REQUEST[dialect] if is_call else {}),
            *headers.parameters(headers.REPEATABLE if posted else {}),
        ],
        "responses": {
            "200": _answer(operation, schema, dialect, is_call=is_call, posted=posted),
            **failures(kinds, dialect, is_call=is_call),
        },
    }
    if operation.description:
        told["description"] = operation.description
    if schema or operation.example is not None:
        content: dict[str, Any] = {
            "schema": {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "object"}
        }
        if operation.example is not None:
            content["example"] = operation.example
        told["requestBody"] = {"required": True, "content": {operation.sent_as: content}}
    return told


def _answer(operation: Operation, schema: str | None, dialect: str, *, is_call: bool, posted: bool) -> dict[str, Any]:
    content: dict[str, Any] = {kind: {"schema": {} if kind == JSON else _BINARY} for kind in operation.answered_as}
    if operation.answer is not None:
        content[operation.answered_as[0]]["example"] = operation.answer
    if schema and "stream" in _schema(schema).get("properties", {}):
        content[EVENTS] = {"schema": {"type": "string", "description": "The vendor's events, with `stream: true`."}}
    known: dict[str, Any] = {**headers.REQUEST_ID, **(headers.ANTHROPIC_REQUEST_ID if dialect == "anthropic" else {})}
    known |= headers.CALL if is_call else {}
    known |= headers.REPLAYED if posted else {}
    known |= {name: ({"type": "string"}, text) for name, text in operation.headers.items()}
    return {
        "description": "The answer, in the vendor's shape.",
        "headers": headers.responses(known),
        "content": content,
    }


def _parameters(rule: Rule, operation: Operation) -> list[dict[str, Any]]:
    in_path = {name: operation.path.get(name, "") for name in sorted(rule.arguments)}
    given = [("path", in_path), ("query", operation.query)]
    return [
        {"name": name, "in": place, "required": place == "path", "description": text, "schema": {"type": "string"}}
        for place, described in given
        for name, text in described.items()
    ]


def _schema_of_format(view: object) -> str | None:
    """Of a view of calls, its format's own schema, which is named as that is; a form may share another's."""
    return view.format if isinstance(view, InferenceView) and (_SCHEMAS / f"{view.format}.json").is_file() else None


def _schema(name: str) -> Mapping[str, Any]:
    """The schema as a part of the document, where what it defines for itself has a longer way."""
    text = (_SCHEMAS / f"{name}.json").read_bytes()
    text = text.replace(b'"#/$defs/', f'"#/components/schemas/{name}/$defs/'.encode())
    return {field: value for field, value in json_text.read_object(text).items() if field != "$schema"}
