"""`POST /v1/completions`."""

from flask import Blueprint

from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("completions", __name__)
blueprint.add_url_rule("/v1/completions", "create", InferenceView("completions"), methods=["POST"])
