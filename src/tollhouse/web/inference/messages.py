"""`POST /v1/messages`."""

from flask import Blueprint

from tollhouse.web.description import Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("messages", __name__)
create = described(
    POST=Operation(
        id="createMessage",
        summary="Anthropic Messages, whole and streamed",
        tag="Anthropic",
        example={"model": "echo", "max_tokens": 20, "messages": [{"role": "user", "content": "Say hello."}]},
        answer={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "echo",
            "content": [{"type": "text", "text": "Say hello."}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 2, "output_tokens": 2},
        },
    )
)(InferenceView("messages"))
blueprint.add_url_rule("/v1/messages", "create", create, methods=["POST"])
