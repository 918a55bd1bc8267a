"""`POST /v1/embeddings`."""

from flask import Blueprint

from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("embeddings", __name__)
blueprint.add_url_rule("/v1/embeddings", "create", InferenceView("embeddings"), methods=["POST"])
