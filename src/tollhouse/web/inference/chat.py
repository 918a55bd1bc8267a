"""`POST /v1/chat/completions`."""

from flask import Blueprint

from tollhouse.web.description import Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("chat", __name__)
create = described(
    POST=Operation(
        id="createChatCompletion",
        summary="OpenAI Chat Completions, whole and streamed",
        tag="OpenAI",
        example={"model": "echo", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 20},
        answer={
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1763000000,
            "model": "echo",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Say hello.", "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
        },
    )
)(InferenceView("chat"))
blueprint.add_url_rule("/v1/chat/completions", "create", create, methods=["POST"])
