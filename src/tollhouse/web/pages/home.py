"""`/`: what runs here, and where the documentation is."""

from flask import Blueprint, Response, make_response, render_template, request

import tollhouse

blueprint = Blueprint("home", __name__, template_folder="../templates")


@blueprint.get("/")
def show() -> Response:
    page = make_response(render_template("home.html", version=tollhouse.__version__, base=request.host_url.rstrip("/")))
    page.headers["content-security-policy"] = "default-src 'none'; style-src 'self' 'unsafe-inline'; base-uri 'none'"
    page.headers["x-content-type-options"] = "nosniff"
    page.headers["referrer-policy"] = "no-referrer"
    return page
