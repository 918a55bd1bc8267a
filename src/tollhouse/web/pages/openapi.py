"""`/openapi.json`, and `/openapi`, a page that shows it and needs nothing from elsewhere."""

from typing import Any

from flask import Blueprint, Response, current_app, make_response, render_template, request
from markupsafe import Markup, escape

from tollhouse.web.openapi.document import document
from tollhouse.wire import json_text

blueprint = Blueprint("openapi", __name__, template_folder="../templates")
_MADE = "tollhouse.openapi"


@blueprint.get("/openapi.json")
def show_document() -> Response:
    """Without authentication: it says no more than the program's own source."""
    response = Response(json_text.write(_document()), content_type="application/json")
    response.headers["cache-control"] = "public, max-age=300"
    response.headers["access-control-allow-origin"] = "*"
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/openapi")
def show_page() -> Response:
    page = make_response(render_template("openapi.html", document=_document()))
    page.headers["content-security-policy"] = "default-src 'none'; style-src 'self' 'unsafe-inline'; base-uri 'none'"
    page.headers["x-content-type-options"] = "nosniff"
    page.headers["referrer-policy"] = "no-referrer"
    return page


@blueprint.app_template_filter("marked")
def _marked(text: str) -> Markup:
    """What is between backticks as code, as other viewers show a description's Markdown."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(one) if n % 2 else escape(one) for n, one in enumerate(parts)
    )


def _document() -> dict[str, Any]:
    """Made once: routes do not change while a process runs."""
    if _MADE not in current_app.extensions:
        current_app.extensions[_MADE] = document(current_app)
    made: dict[str, Any] = current_app.extensions[_MADE]
    return made
