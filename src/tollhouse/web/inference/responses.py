"""`POST /v1/responses`, and the responses that are stored."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from tollhouse.domain.errors import BadRequest, InvalidField, NotFound, NotStored
from tollhouse.services.pages import Page
from tollhouse.web.description import EVENTS, JSON, Operation, described
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
        description="For models of any host. What is stored is stored here. With `background` it is answered at once, "
        "its status is `queued`, and a worker makes the response; with `stream` its events are kept, and can be "
        "streamed again.",
    )
)(InferenceView("responses", lambda serving: serving.background.open))
blueprint.add_url_rule("/v1/responses", "create", create, methods=["POST"])


@blueprint.get("/v1/responses/<id>")
@described(
    GET=Operation(
        id="getResponse",
        summary="A stored response, or the events of one that is made in the background",
        tag="OpenAI",
        answer=_RESPONSE,
        answered_as=(JSON, EVENTS),
        path=_ID,
        query={
            "stream": "true for the events, of a response that was asked for with `background` and `stream`",
            "starting_after": "the number of the event behind which the stream begins",
        },
        errors=(NotFound, BadRequest),
    )
)
def retrieve(id: str) -> Response:
    principal = caller()
    streamed, after = _streamed(request.args)
    if not streamed:
        return json_response(services().stored_responses.retrieve(principal, id))
    answer = services().serve().background.follow(principal, id, after)
    return Response(answer, answer.status, answer.headers, content_type=answer.content_type)


def _streamed(query: Mapping[str, str]) -> tuple[bool, int]:
    """Whether events are asked for, and behind which number."""
    said = query.get("stream", "false").lower()
    if said not in ("true", "1", "false", "0", ""):
        raise InvalidField("stream: true or false is required.", param="stream")
    streamed, after = said in ("true", "1"), query.get("starting_after", "")
    if after and not streamed:
        raise InvalidField("starting_after: this goes with stream=true.", param="starting_after")
    if after and not (after.isascii() and after.isdigit() and len(after) < 10):
        raise InvalidField("starting_after: the number of an event is required.", param="starting_after")
    return streamed, int(after) if after else -1


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
        summary="Cancel a response that is made in the background",
        tag="OpenAI",
        answer={**_RESPONSE, "status": "cancelled", "background": True, "output": []},
        path=_ID,
        errors=(NotFound, BadRequest),
    )
)
def cancel(id: str) -> Response:
    return json_response(services().serve().background.cancel(caller(), id))
