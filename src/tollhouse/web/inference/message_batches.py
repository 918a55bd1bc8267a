"""`/v1/messages/batches`."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from tollhouse.domain.errors import BadRequest, Conflict, Forbidden, NotFound, OutOfSpace
from tollhouse.services.batches.message_batches import Results
from tollhouse.services.pages import IdPage
from tollhouse.web.description import Operation, described
from tollhouse.web.gate import caller, services, tags, trace
from tollhouse.web.inference.respond import json_response

blueprint = Blueprint("message_batches", __name__)

_ID = {"id": "the batch, such as msgbatch_01m7z6mf2xg7gs20fhpcph9cf3"}
_PARAMS = {"model": "echo", "max_tokens": 20, "messages": [{"role": "user", "content": "Say hello."}]}
_SHOWN = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "in_progress",
    "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-11-21T12:00:00Z",
    "expires_at": "2026-11-22T12:00:00Z",
    "ended_at": None,
    "cancel_initiated_at": None,
    "archived_at": None,
    "results_url": None,
}
_LISTED = {"data": [_SHOWN], "has_more": False, "first_id": "msgbatch_1", "last_id": "msgbatch_1"}


class Sent:
    """Results on their way to a client; the server closes them."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self.close = results.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._results)


@blueprint.post("/v1/messages/batches")
@described(
    POST=Operation(
        id="createMessageBatch",
        summary="Anthropic Message Batches: many requests, answered in the background",
        tag="Anthropic",
        schema="message_batch",
        example={"requests": [{"custom_id": "one", "params": _PARAMS}]},
        answer=_SHOWN,
        errors=(BadRequest, Forbidden, NotFound, OutOfSpace),
    )
)
def create() -> Response:
    principal = caller()
    batches = services().message_batches
    return _answer(batches.create(principal, request.get_data(), tags(request.environ), trace(request.environ)))


@blueprint.get("/v1/messages/batches")
@described(
    GET=Operation(
        id="listMessageBatches",
        summary="The team's message batches",
        tag="Anthropic",
        answer=_LISTED,
        query=IdPage.QUERY,
    )
)
def list_batches() -> Response:
    page = services().message_batches.page(caller(), IdPage.read(request.args))
    return json_response({**page, "data": [_located(batch) for batch in page["data"]]})


@blueprint.get("/v1/messages/batches/<id>")
@described(
    GET=Operation(
        id="getMessageBatch",
        summary="A message batch",
        tag="Anthropic",
        answer=_SHOWN,
        path=_ID,
        errors=(NotFound,),
    )
)
def retrieve(id: str) -> Response:
    return _answer(services().message_batches.retrieve(caller(), id))


@blueprint.post("/v1/messages/batches/<id>/cancel")
@described(
    POST=Operation(
        id="cancelMessageBatch",
        summary="Make no more requests of a message batch",
        tag="Anthropic",
        answer={**_SHOWN, "processing_status": "canceling"},
        path=_ID,
        errors=(NotFound,),
    )
)
def cancel(id: str) -> Response:
    return _answer(services().message_batches.cancel(caller(), id))


@blueprint.delete("/v1/messages/batches/<id>")
@described(
    DELETE=Operation(
        id="deleteMessageBatch",
        summary="Delete a message batch that has ended, with its results",
        tag="Anthropic",
        answer={"id": "msgbatch_1", "type": "message_batch_deleted"},
        path=_ID,
        errors=(NotFound, Conflict),
    )
)
def delete(id: str) -> Response:
    return json_response(services().message_batches.delete(caller(), id))


@blueprint.get("/v1/messages/batches/<id>/results")
@described(
    GET=Operation(
        id="getMessageBatchResults",
        summary="The results of a message batch, a line each",
        tag="Anthropic",
        answered_as=("application/x-jsonl",),
        path=_ID,
        errors=(NotFound, Conflict),
    )
)
def results(id: str) -> Response:
    found = services().message_batches.results(caller(), id)
    return Response(Sent(found), content_type="application/x-jsonl", direct_passthrough=True)


def _answer(batch: dict[str, Any]) -> Response:
    return json_response(_located(batch))


def _located(batch: dict[str, Any]) -> dict[str, Any]:
    """With where its results are, once it has ended."""
    if batch["processing_status"] != "ended":
        return batch
    base = services().settings.public_url or request.host_url.rstrip("/")
    return {**batch, "results_url": f"{base}/v1/messages/batches/{batch['id']}/results"}
