"""`/api/docs`: Swagger UI over `/api/swagger.json`, with nothing but files from here."""

from pathlib import Path

import flask_restx
from flask import Blueprint, Response, make_response, render_template, send_file

from tollhouse.domain.errors import NotFound

blueprint = Blueprint("swagger", __name__, template_folder="templates")

_OF_RESTX = Path(flask_restx.__file__).parent / "static"
_FILES = {
    "swagger-ui.css": _OF_RESTX / "swagger-ui.css",
    "swagger-ui-bundle.js": _OF_RESTX / "swagger-ui-bundle.js",
    "swagger-start.js": Path(__file__).parent / "static" / "swagger-start.js",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("")
def show() -> Response:
    page = make_response(render_template("swagger.html"))
    page.headers["content-security-policy"] = _POLICY
    return _guarded(page)


@blueprint.get("/<name>")
def file(name: str) -> Response:
    if name not in _FILES:
        raise NotFound("There is no such file in the documentation.")
    return _guarded(send_file(_FILES[name], max_age=3600))


def _guarded(response: Response) -> Response:
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["referrer-policy"] = "no-referrer"
    return response
