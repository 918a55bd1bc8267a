"""`POST /v1/responses`, and the responses that are stored."""

from typing import Any

from flask import Blueprint, Response, request

from tollhouse.domain.errors import BadRequest, NotFound, NotStored, Unsupported
from tollhouse.services.pages import Page
from tollhouse.web.description import Operation, described
from tollhouse.web.gate import caller, services
from tollhouse.web.inference.respond import InferenceView, json_response

blueprint = Blueprint("responses", __name__)

_ID = {"id": "the response, such as resp_01m7z6mf06znwtjba63h92d6w0"}
_SAID: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
_TEXT = {"type": "output_text", "text": "Say hello.", "annotations": []}
_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1763000000,
    "status": "completed",
    "model": "echo",
    "output": [{**_SAID, "content": [_TEXT]}],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "store": True,
}
_ASKED = {**_SAID, "role": "user", "content": [{"type": "input_text", "text": "Say hello."}]}

create = described(
    POST=Operation(
        id="createResponse",
        summary="OpenAI Responses, whole and streamed",
        tag="OpenAI",
        example={"model": "echo", "input": "Say hello."},
        answer=_RESPONSE,
        errors=(NotFound, NotStored),
        description="For models of any host. What is stored is stored here; `background` is refused.",
    )
)(InferenceView("responses", lambda serving: serving.responses.open))
blueprint.add_url_rule("/v1/responses", "create", create, methods=["POST"])


@blueprint.get("/v1/responses/<id>")
@described(
    GET=Operation(
        id="getResponse",
        summary="A stored response",
        tag="OpenAI",
        answer=_RESPONSE,
        path=_ID,
        errors=(NotFound, BadRequest),
    )
)
def retrieve(id: str) -> Response:
    for field in ("stream", "starting_after"):
        if request.args.get(field, "false").lower() not in ("false", "0", ""):
            raise Unsupported(
                f"{field}: a stored response is given whole; only those made in the background can be streamed again.",
                param=field,
            )
    return json_response(services().stored_responses.retrieve(caller(), id))


@blueprint.delete("/v1/responses/<id>")
@described(
    DELETE=Operation(
        id="deleteResponse",
        summary="Forget a stored response",
        tag="OpenAI",
        answer={"id": "resp_1", "object": "response", "deleted": True},
        path=_ID,
        errors=(NotFound,),
    )
)
def delete(id: str) -> Response:
    return json_response(services().stored_responses.delete(caller(), id))


@blueprint.get("/v1/responses/<id>/input_items")
@described(
    GET=Operation(
        id="listInputItems",
        summary="What went into a stored response, page by page",
        tag="OpenAI",
        answer={"object": "list", "data": [_ASKED], "first_id": "msg_1", "last_id": "msg_1", "has_more": False},
        path=_ID,
        query=Page.QUERY,
        errors=(NotFound, BadRequest),
    )
)
def input_items(id: str) -> Response:
    principal = caller()
    return json_response(services().stored_responses.input_items(principal, id, Page.read(request.args)))


@blueprint.post("/v1/responses/<id>/cancel")
@described(
    POST=Operation(
        id="cancelResponse",
        summary="Cancel a response that is made in the background: of which there are none yet",
        tag="OpenAI",
        answer=_RESPONSE,
        path=_ID,
        errors=(NotFound, BadRequest),
    )
)
def cancel(id: str) -> Response:
    return json_response(services().stored_responses.cancel(caller(), id))
