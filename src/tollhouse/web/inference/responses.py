"""`POST /v1/responses`, and the responses that are stored."""

from flask import Blueprint, Response, request

from tollhouse.domain.errors import Unsupported
from tollhouse.services.pages import Page
from tollhouse.web.gate import caller, services
from tollhouse.web.inference.respond import InferenceView, json_response

blueprint = Blueprint("responses", __name__)
blueprint.add_url_rule(
    "/v1/responses",
    "create",
    InferenceView("responses", lambda serving: serving.responses.open),
    methods=["POST"],
)


@blueprint.get("/v1/responses/<id>")
def retrieve(id: str) -> Response:
    for field in ("stream", "starting_after"):
        if request.args.get(field, "false").lower() not in ("false", "0", ""):
            raise Unsupported(
                f"{field}: a stored response is given whole; only those made in the background can be streamed again.",
                param=field,
            )
    return json_response(services().stored_responses.retrieve(caller(), id))


@blueprint.delete("/v1/responses/<id>")
def delete(id: str) -> Response:
    return json_response(services().stored_responses.delete(caller(), id))


@blueprint.get("/v1/responses/<id>/input_items")
def input_items(id: str) -> Response:
    principal = caller()
    return json_response(services().stored_responses.input_items(principal, id, Page.read(request.args)))


@blueprint.post("/v1/responses/<id>/cancel")
def cancel(id: str) -> Response:
    return json_response(services().stored_responses.cancel(caller(), id))
