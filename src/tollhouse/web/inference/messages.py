"""`POST /v1/messages`."""

from flask import Blueprint

from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("messages", __name__)
blueprint.add_url_rule("/v1/messages", "create", InferenceView("messages"), methods=["POST"])
