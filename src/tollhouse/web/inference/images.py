"""`POST /v1/images/generations`, `POST /v1/images/edits`, `POST /v1/images/variations`."""

from flask import Blueprint

from tollhouse.web.description import Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("images", __name__)
_IMAGES = {"created": 1767225600, "data": [{"b64_json": "iVBORw0KGgo="}]}

generate = described(
    POST=Operation(
        id="createImage",
        summary="OpenAI Images",
        tag="OpenAI",
        example={"model": "echo", "prompt": "a cat", "n": 1},
        answer=_IMAGES,
    )
)(InferenceView("images"))
blueprint.add_url_rule("/v1/images/generations", "generate", generate, methods=["POST"])

edit = described(
    POST=Operation(
        id="createImageEdit",
        summary="An edit of uploaded images",
        tag="OpenAI",
        example={"model": "echo", "prompt": "bluer", "image": "(a file)"},
        answer=_IMAGES,
        sent_as="multipart/form-data",
    )
)(InferenceView("image_edits"))
blueprint.add_url_rule("/v1/images/edits", "edit", edit, methods=["POST"])

vary = described(
    POST=Operation(
        id="createImageVariation",
        summary="Variations of an uploaded image",
        tag="OpenAI",
        example={"model": "a-model", "image": "(a file)"},
        answer=_IMAGES,
        sent_as="multipart/form-data",
    )
)(InferenceView("image_variations"))
blueprint.add_url_rule("/v1/images/variations", "vary", vary, methods=["POST"])
