"""`POST /v1/rerank`."""

from flask import Blueprint

from tollhouse.web.description import Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("rerank", __name__)

create = described(
    POST=Operation(
        id="rerank",
        summary="Which documents answer a query best, as Cohere, Jina and vLLM have it",
        tag="OpenAI",
        example={"model": "echo", "query": "a query", "documents": ["one", "another"], "top_n": 1},
        answer={"results": [{"index": 0, "relevance_score": 0.9}]},
    )
)(InferenceView("rerank"))
blueprint.add_url_rule("/v1/rerank", "create", create, methods=["POST"])
