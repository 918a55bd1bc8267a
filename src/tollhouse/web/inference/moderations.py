"""`POST /v1/moderations`."""

from flask import Blueprint

from tollhouse.web.description import Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("moderations", __name__)

create = described(
    POST=Operation(
        id="createModeration",
        summary="OpenAI Moderations",
        tag="OpenAI",
        example={"model": "echo", "input": "a text"},
        answer={"id": "modr-1", "model": "omni-moderation-latest", "results": [{"flagged": False}]},
        description="It costs nothing, and is recorded as that.",
    )
)(InferenceView("moderations"))
blueprint.add_url_rule("/v1/moderations", "create", create, methods=["POST"])
