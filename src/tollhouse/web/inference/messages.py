"""`POST /v1/messages`."""

from flask import Blueprint, Response

from tollhouse.web.inference.respond import infer

blueprint = Blueprint("messages", __name__)


@blueprint.post("/v1/messages")
def create() -> Response:
    return infer("messages")
