"""`POST /v1/embeddings`."""

from flask import Blueprint

from tollhouse.web.description import Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("embeddings", __name__)
create = described(
    POST=Operation(
        id="createEmbedding",
        summary="OpenAI Embeddings",
        tag="OpenAI",
        example={"model": "echo", "input": ["one text", "another"]},
        answer={
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
            "model": "echo",
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        },
    )
)(InferenceView("embeddings"))
blueprint.add_url_rule("/v1/embeddings", "create", create, methods=["POST"])
