"""`POST /v1/chat/completions`."""

from flask import Blueprint

from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("chat", __name__)
blueprint.add_url_rule("/v1/chat/completions", "create", InferenceView("chat"), methods=["POST"])
