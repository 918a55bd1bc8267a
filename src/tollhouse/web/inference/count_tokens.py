"""`POST /v1/messages/count_tokens`."""

from flask import Blueprint

from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("count_tokens", __name__)
blueprint.add_url_rule("/v1/messages/count_tokens", "create", InferenceView("count_tokens"), methods=["POST"])
