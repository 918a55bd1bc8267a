"""`/v1/conversations`."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from tollhouse.domain.errors import BadRequest, NotFound
from tollhouse.services.pages import Page
from tollhouse.web.description import Operation, View, described
from tollhouse.web.gate import caller, services
from tollhouse.web.inference.respond import json_response
from tollhouse.wire import json_text

blueprint = Blueprint("conversations", __name__)

_ID = {"id": "the conversation, such as conv_01m7z6mf2xg7gs20fhpcph9cf3"}
_ITEM_ID = {**_ID, "item_id": "one of its items, such as msg_01m7z6mf2tyf49x6d43tz9k8tq"}
_CONVERSATION = {"id": "conv_1", "object": "conversation", "created_at": 1763000000, "metadata": {"topic": "weather"}}
_GIVEN = {"role": "user", "content": "Say hello."}
_ITEM = {
    "id": "msg_1",
    "type": "message",
    "role": "user",
    "status": "completed",
    "content": [{"type": "input_text", "text": "Say hello."}],
}
_ITEMS = {"object": "list", "data": [_ITEM], "first_id": "msg_1", "last_id": "msg_1", "has_more": False}


def _described(method: str, id: str, summary: str, **said: Any) -> Callable[[View], View]:
    errors = (BadRequest,) if id == "createConversation" else (NotFound, BadRequest)
    return described(**{method: Operation(id=id, summary=summary, tag="OpenAI", errors=errors, **said)})


@blueprint.post("/v1/conversations")
@_described(
    "POST",
    "createConversation",
    "Begin a conversation",
    schema="conversation",
    example={"items": [_GIVEN], "metadata": {"topic": "weather"}},
    answer=_CONVERSATION,
)
def create() -> Response:
    principal = caller()
    return json_response(services().conversations.create(principal, _body() if request.data else {}))


@blueprint.get("/v1/conversations/<id>")
@_described("GET", "getConversation", "A conversation", answer=_CONVERSATION, path=_ID)
def retrieve(id: str) -> Response:
    return json_response(services().conversations.retrieve(caller(), id))


@blueprint.post("/v1/conversations/<id>")
@_described(
    "POST",
    "updateConversation",
    "Give a conversation other metadata",
    schema="conversation",
    example={"metadata": {"topic": "weather"}},
    answer=_CONVERSATION,
    path=_ID,
)
def update(id: str) -> Response:
    principal = caller()
    return json_response(services().conversations.update(principal, id, _body()))


@blueprint.delete("/v1/conversations/<id>")
@_described(
    "DELETE",
    "deleteConversation",
    "Forget a conversation and all that was said in it",
    answer={"id": "conv_1", "object": "conversation.deleted", "deleted": True},
    path=_ID,
)
def delete(id: str) -> Response:
    return json_response(services().conversations.delete(caller(), id))


@blueprint.post("/v1/conversations/<id>/items")
@_described(
    "POST",
    "createConversationItems",
    "Add items at the end of a conversation",
    schema="conversation",
    example={"items": [_GIVEN]},
    answer=_ITEMS,
    path=_ID,
)
def add_items(id: str) -> Response:
    principal = caller()
    return json_response(services().conversations.add_items(principal, id, _body()))


@blueprint.get("/v1/conversations/<id>/items")
@_described(
    "GET", "listConversationItems", "Items of a conversation, page by page", answer=_ITEMS, path=_ID, query=Page.QUERY
)
def items(id: str) -> Response:
    principal = caller()
    return json_response(services().conversations.items(principal, id, Page.read(request.args)))


@blueprint.get("/v1/conversations/<id>/items/<item_id>")
@_described("GET", "getConversationItem", "An item of a conversation", answer=_ITEM, path=_ITEM_ID)
def item(id: str, item_id: str) -> Response:
    return json_response(services().conversations.item(caller(), id, item_id))


@blueprint.delete("/v1/conversations/<id>/items/<item_id>")
@_described(
    "DELETE", "deleteConversationItem", "Take an item out of a conversation", answer=_CONVERSATION, path=_ITEM_ID
)
def delete_item(id: str, item_id: str) -> Response:
    return json_response(services().conversations.delete_item(caller(), id, item_id))


def _body() -> dict[str, Any]:
    return json_text.read_object(request.get_data())
