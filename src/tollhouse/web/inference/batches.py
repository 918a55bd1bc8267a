"""`/v1/batches`."""

from flask import Blueprint, Response, request

from tollhouse.domain.errors import BadRequest, Conflict, Forbidden, NotFound
from tollhouse.services.pages import Page
from tollhouse.web.description import Operation, described
from tollhouse.web.gate import caller, services, tags, trace
from tollhouse.web.inference.respond import json_response
from tollhouse.wire import json_text

blueprint = Blueprint("batches", __name__)

_ID = {"id": "the batch, such as batch_01m7z6mf2xg7gs20fhpcph9cf3"}
_ASKED = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
_SHOWN = {
    **_ASKED,
    "id": "batch_1",
    "object": "batch",
    "status": "in_progress",
    "created_at": 1763000000,
    "in_progress_at": 1763000002,
    "expires_at": 1763086400,
    "request_counts": {"total": 100, "completed": 42, "failed": 1},
    "output_file_id": None,
    "error_file_id": None,
    "errors": None,
    "metadata": None,
    "cost_usd": "0.000420",
    "paused": None,
    "provider_batch": "auto",
    "provider_batches": [
        {
            "provider": "openai",
            "id": "batch_abc",
            "status": "in_progress",
            "lines": 100,
            "request_counts": {"total": 100, "completed": 42, "failed": 1},
            "message": None,
        }
    ],
}
_LISTED = {"object": "list", "data": [_SHOWN], "first_id": "batch_1", "last_id": "batch_1", "has_more": False}


@blueprint.post("/v1/batches")
@described(
    POST=Operation(
        id="createBatch",
        summary="Call all lines of a file",
        tag="OpenAI",
        schema="batch",
        example=_ASKED,
        answer=_SHOWN,
        errors=(BadRequest, Forbidden, NotFound),
    )
)
def create() -> Response:
    principal = caller()
    body = json_text.read_object(request.get_data())
    return json_response(services().batches.create(principal, body, tags(request.environ), trace(request.environ)))


@blueprint.get("/v1/batches")
@described(
    GET=Operation(id="listBatches", summary="The team's batches", tag="OpenAI", answer=_LISTED, query=Page.QUERY)
)
def list_batches() -> Response:
    return json_response(services().batches.page(caller(), Page.read(request.args)))


@blueprint.get("/v1/batches/<id>")
@described(GET=Operation(id="getBatch", summary="A batch", tag="OpenAI", answer=_SHOWN, path=_ID, errors=(NotFound,)))
def retrieve(id: str) -> Response:
    return json_response(services().batches.retrieve(caller(), id))


@blueprint.post("/v1/batches/<id>/cancel")
@described(
    POST=Operation(
        id="cancelBatch",
        summary="Call no more lines of a batch",
        tag="OpenAI",
        answer={**_SHOWN, "status": "cancelling"},
        path=_ID,
        errors=(NotFound, Conflict),
    )
)
def cancel(id: str) -> Response:
    return json_response(services().batches.cancel(caller(), id))
