"""The application."""

import importlib
import pkgutil

from flask import Blueprint, Flask, Response, g, request

from tollhouse import logs, settings, traces, wiring
from tollhouse.web import errors, gate, inference, management, operations, pages, tokens
from tollhouse.web.inference import files, once
from tollhouse.web.inference.respond import Calls, InferenceView
from tollhouse.web.proxies import Proxies


def create_app(given: settings.Settings | None = None) -> Flask:
    """The WSGI application, with services of its own: call it after a fork. It serves calls at once.

    `app.extensions["tollhouse"]` are the services; whoever ends the process closes them.
    """
    chosen = given or settings.load()
    logs.configure(chosen, "web")
    traces.configure(chosen, "web")
    app = Flask("tollhouse", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = chosen.max_body_bytes
    services = wiring.build(chosen, "web")
    app.extensions["tollhouse"] = services
    app.before_request(gate.open_request)
    app.after_request(_name_request)
    errors.register(app)
    for blueprint in (operations.blueprint, *_blueprints(inference), *_blueprints(pages)):
        app.register_blueprint(blueprint)
    once.honour(app, but=lambda view: isinstance(view, InferenceView) or view is files.create)
    https = chosen.public_url.startswith("https://")
    tokens.register(app, services.token_keys, chosen.access_token_seconds, https=https)
    management.mount(app, chosen.cors_origins)
    services.serve()
    app.wsgi_app = Calls(app)  # type: ignore[method-assign]
    if chosen.trusted_proxies:
        app.wsgi_app = Proxies(app.wsgi_app, chosen.trusted_proxies)  # type: ignore[method-assign]
    return app


def _blueprints(package: object) -> list[Blueprint]:
    """A file of these folders that has a `blueprint` is an endpoint or a page: nothing else registers it."""
    name, path = package.__name__, package.__path__  # type: ignore[attr-defined]
    modules = [importlib.import_module(f"{name}.{module.name}") for module in pkgutil.iter_modules(path)]
    return [module.blueprint for module in modules if hasattr(module, "blueprint")]


def _name_request(response: Response) -> Response:
    if request_id := g.get("request_id"):
        response.headers.update(gate.named(request.environ, request_id))
    return response
