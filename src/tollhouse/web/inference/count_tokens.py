"""`POST /v1/messages/count_tokens`."""

from flask import Blueprint

from tollhouse.web.description import Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("count_tokens", __name__)
create = described(
    POST=Operation(
        id="countMessageTokens",
        summary="Anthropic's count of a message's tokens",
        tag="Anthropic",
        example={"model": "echo", "messages": [{"role": "user", "content": "Say hello."}]},
        answer={"input_tokens": 10},
        headers={"x-tollhouse-estimated": "`true` where the model's host counts no tokens, and the gateway estimates."},
        description="It costs nothing, and is recorded as that.",
    )
)(InferenceView("count_tokens"))
blueprint.add_url_rule("/v1/messages/count_tokens", "create", create, methods=["POST"])
