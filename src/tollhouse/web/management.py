"""The management API under `/api`: flask-restx routes and documents it, and does no more."""

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Flask
from flask_cors import CORS
from flask_restx import Api

import tollhouse
from tollhouse.web import api, swagger

PREFIX = "/api"


class ManagementApi(Api):  # type: ignore[misc] # flask-restx has no annotations
    """An Api whose errors go where those of the application go: to web/errors.py."""

    def error_router(self, original_handler: Any, e: Exception) -> Any:
        return original_handler(e)

    def _register_apidoc(self, app: Flask) -> None:
        """web/swagger.py serves the documentation: this page of flask-restx needs inline scripts."""


def mount(app: Flask, origins: Sequence[str]) -> None:
    """Register each Namespace that a file of `api/` has as `namespace`, and the documentation.

    `origins` are those whose pages may use it from a browser.
    """
    app.config.update(ERROR_INCLUDE_MESSAGE=False, RESTX_ERROR_404_HELP=False, RESTX_MASK_SWAGGER=False)
    blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
    management = ManagementApi(
        blueprint,
        title="Tollhouse",
        version=tollhouse.__version__,
        description="The management API. Sign in, and send the access token as `Authorization: Bearer TOKEN`. "
        "Lists are read page by page: `next` is what to send as `after`. Changes take `If-Match`.",
        authorizations={"token": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        doc=False,
        validate=False,
    )
    for module in pkgutil.iter_modules(api.__path__):
        namespace = importlib.import_module(f"{api.__name__}.{module.name}").namespace
        management.add_namespace(namespace, path=f"/{namespace.name}")
    app.register_blueprint(blueprint)
    app.register_blueprint(swagger.blueprint, url_prefix=f"{PREFIX}/docs")
    if origins:
        # Without cookies: a page sends the token that it was given, so no other page can send it for somebody.
        CORS(
            app,
            resources={rf"{PREFIX}/.*": {"origins": list(origins)}},
            supports_credentials=False,
            methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key"],
            expose_headers=["ETag", "Idempotency-Replayed", "Retry-After", "X-Request-Id"],
            max_age=600,
        )
