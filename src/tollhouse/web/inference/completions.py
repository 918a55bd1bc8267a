"""`POST /v1/completions`."""

from flask import Blueprint

from tollhouse.web.description import Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("completions", __name__)
create = described(
    POST=Operation(
        id="createCompletion",
        summary="OpenAI's legacy Completions, whole and streamed",
        tag="OpenAI",
        example={"model": "echo", "prompt": "Say hello.", "max_tokens": 20},
        answer={
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1763000000,
            "model": "echo",
            "choices": [{"text": "Say hello.", "index": 0, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
        },
        description="A host without this path is asked over chat: then one prompt a call, as text.",
    )
)(InferenceView("completions"))
blueprint.add_url_rule("/v1/completions", "create", create, methods=["POST"])
