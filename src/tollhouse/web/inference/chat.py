"""`POST /v1/chat/completions`."""

from flask import Blueprint, Response

from tollhouse.web.inference.respond import infer

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
def create() -> Response:
    return infer("chat")
