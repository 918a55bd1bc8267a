"""`POST /v1/embeddings`."""

from flask import Blueprint, Response

from tollhouse.web.inference.respond import infer

blueprint = Blueprint("embeddings", __name__)


@blueprint.post("/v1/embeddings")
def create() -> Response:
    return infer("embeddings")
