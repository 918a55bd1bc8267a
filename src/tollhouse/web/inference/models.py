"""`GET /v1/models` and `GET /v1/models/NAME`, in the shape of the vendor whose SDK asks."""

import difflib
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from tollhouse.domain.errors import Forbidden, UnknownModel
from tollhouse.services.pages import IdPage
from tollhouse.services.routing.routing import route_of, visible_models
from tollhouse.web.description import Operation, described
from tollhouse.web.gate import caller, dialect, services
from tollhouse.web.inference.respond import json_response

blueprint = Blueprint("models", __name__)


_SHAPES = "In Anthropic's shape where `anthropic-version` is sent."
_SHOWN = {"id": "echo", "object": "model", "created": 1763000000, "owned_by": "echo"}


@blueprint.get("/v1/models")
@described(
    GET=Operation(
        id="listModels",
        summary="The models that the key may use",
        tag="Models",
        answer={"object": "list", "data": [_SHOWN]},
        query=IdPage.QUERY,
        description=f"{_SHAPES} Only that has pages.",
    )
)
def list_models() -> Response:
    names = _visible_names()
    if dialect() == "openai":
        return json_response({"object": "list", "data": [_shown(name) for name in names]})
    page, more = IdPage.read(request.args).of(names)
    ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
    return json_response({"data": [_shown(name) for name in page], "has_more": more, **ends})


@blueprint.get("/v1/models/<path:name>")
@described(
    GET=Operation(
        id="retrieveModel",
        summary="One model",
        tag="Models",
        answer=_SHOWN,
        path={"name": "The model's name; it may have slashes."},
        errors=(UnknownModel,),
        description=_SHAPES,
    )
)
def retrieve_model(name: str) -> Response:
    principal, catalogue = caller(), services().serve().catalogue.current
    try:
        route_of(catalogue, principal, name)
    except Forbidden:
        near = difflib.get_close_matches(name, visible_models(catalogue, principal), 3, 0.5)
        raise UnknownModel(name, near) from None
    return json_response(_shown(name))


def _visible_names() -> list[str]:
    principal = caller()
    return visible_models(services().serve().catalogue.current, principal)


def _shown(name: str) -> dict[str, Any]:
    catalogue = services().serve().catalogue.current
    route = catalogue.route(name)
    if route is None:
        raise UnknownModel(name, ())  # gone since it was looked for
    created = catalogue.created.get(name, catalogue.created[route.name])
    if dialect() == "openai":
        owner = route.targets[0].host.name
        return {"id": name, "object": "model", "created": created, "owned_by": owner}
    moment = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": name, "display_name": name, "created_at": moment}
