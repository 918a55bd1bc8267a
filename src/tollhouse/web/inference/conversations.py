"""`/v1/conversations`."""

from typing import Any

from flask import Blueprint, Response, request

from tollhouse.services.pages import Page
from tollhouse.web.gate import caller, services
from tollhouse.web.inference.respond import json_response
from tollhouse.wire import json_text

blueprint = Blueprint("conversations", __name__)


@blueprint.post("/v1/conversations")
def create() -> Response:
    principal = caller()
    return json_response(services().conversations.create(principal, _body() if request.data else {}))


@blueprint.get("/v1/conversations/<id>")
def retrieve(id: str) -> Response:
    return json_response(services().conversations.retrieve(caller(), id))


@blueprint.post("/v1/conversations/<id>")
def update(id: str) -> Response:
    principal = caller()
    return json_response(services().conversations.update(principal, id, _body()))


@blueprint.delete("/v1/conversations/<id>")
def delete(id: str) -> Response:
    return json_response(services().conversations.delete(caller(), id))


@blueprint.post("/v1/conversations/<id>/items")
def add_items(id: str) -> Response:
    principal = caller()
    return json_response(services().conversations.add_items(principal, id, _body()))


@blueprint.get("/v1/conversations/<id>/items")
def items(id: str) -> Response:
    principal = caller()
    return json_response(services().conversations.items(principal, id, Page.read(request.args)))


@blueprint.get("/v1/conversations/<id>/items/<item_id>")
def item(id: str, item_id: str) -> Response:
    return json_response(services().conversations.item(caller(), id, item_id))


@blueprint.delete("/v1/conversations/<id>/items/<item_id>")
def delete_item(id: str, item_id: str) -> Response:
    return json_response(services().conversations.delete_item(caller(), id, item_id))


def _body() -> dict[str, Any]:
    return json_text.read_object(request.get_data())
