"""`/api/models`: the names that calls ask for, how they find their way, and what they cost."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.price_terms import LongContext, PriceTerms
from tollhouse.services.models.models import Model as ModelValue
from tollhouse.services.models.models import NewModel
from tollhouse.services.models.routes import RouteTerms
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, amount_from, operation, shown, shown_page, unless_changed

namespace = Namespace("models", "The names that calls ask for, how they find their way, and what they cost.")

PRICES = ("input_price", "output_price", "unit_price")
CACHE_PRICES = ("cached_input", "cache_write")
STEP_PRICES = ("input", "output", *CACHE_PRICES)


@namespace.route("")
class Models(Resource):
    @operation(namespace, "list_models", "model", query="model_query", many=True)
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the models, oldest first"""
        query = asked.query
        return shown_page(
            services().models.page(*asked.page, name=query.get("name"), provider=query.get("provider"), by=asked.by),
            _shown,
        )

    @operation(namespace, "create_model", "model", body="new_model", tagged=True, status=201, errors=(404, 409))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Add a model, effective in all processes within a second"""
        return _shown(services().models.add(NewModel(**_given(asked)), by=asked.by))


@namespace.route("/<string:id>")
class Model(Resource):
    @operation(namespace, "get_model", "model", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a model"""
        return _shown(services().models.get(id, by=asked.by))

    @operation(namespace, "change_model", "model", body="model_change", tagged=True, errors=(404, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change where a model leads and what it costs, from the next call on; null is the published price, or none"""
        return _shown(services().models.change(id, _given(asked), by=asked.by, unless_changed=unless_changed(_shown)))

    @operation(namespace, "remove_model", errors=(404, 409, 412))
    def delete(self, asked: Asked, id: str) -> None:
        """Remove a model that no other falls back on; calls for it are 404 from then on"""
        services().models.remove(id, by=asked.by, unless_changed=unless_changed(_shown))


@namespace.route("/<string:id>/route")
class Route(Resource):
    @operation(namespace, "get_route", "route", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show how the calls of a model find their way

        Weight, priority and what follows are those of the model's own deployment; /api/deployments has the others.
        """
        return _route(services().routes.of(id, by=asked.by))

    @operation(namespace, "change_route", "route", body="route_change", tagged=True, errors=(404, 409, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change how the calls of a model find their way, from the next call on"""
        return _route(services().routes.change(id, asked.body, by=asked.by, unless_changed=unless_changed(_route)))


@namespace.route("/<string:id>/prices")
class Prices(Resource):
    @operation(namespace, "get_prices", "prices", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show what is said of a model's prices beyond those of input and output"""
        return _prices(services().model_prices.of(id, by=asked.by))

    @operation(namespace, "change_prices", "prices", body="prices_change", tagged=True, errors=(404, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change them, from the next call on; null is the published price, or what follows from that of the input"""
        changes = _given_prices(asked.body)
        return _prices(services().model_prices.change(id, changes, by=asked.by, unless_changed=unless_changed(_prices)))


def _given(asked: Asked) -> dict[str, Any]:
    return {**asked.body, **{price: asked.amount(price) for price in PRICES if price in asked.body}}


def _shown(model: ModelValue) -> dict[str, Any]:
    prices = {price: getattr(model, price) for price in PRICES}
    return {
        **shown(model),
        **{price: None if nanos is None else usd_from_nanos(nanos) for price, nanos in prices.items()},
    }


def _route(route: RouteTerms) -> dict[str, Any]:
    return {**shown(route, "terms"), **route.terms.columns()}


def _given_prices(body: Any) -> dict[str, Any]:
    """The fields of PriceTerms that a body has."""
    changes: dict[str, Any] = {
        name: amount_from(body[f"{name}_price"], f"{name}_price") for name in CACHE_PRICES if f"{name}_price" in body
    }
    if "batch_discount" in body:
        changes["batch_discount"] = body["batch_discount"]
    if "long_context" in body:
        steps = enumerate(body["long_context"])
        changes["long_context"] = tuple(_given_step(step, f"long_context[{number}]") for number, step in steps)
    return changes


def _given_step(step: Any, where: str) -> LongContext:
    prices: dict[str, Any] = {
        name: amount_from(step.get(f"{name}_price"), f"{where}.{name}_price") for name in STEP_PRICES
    }
    return LongContext(int(step["above"]), **prices)


def _prices(terms: PriceTerms) -> dict[str, Any]:
    return {
        **_usd(terms, CACHE_PRICES),
        "batch_discount": terms.batch_discount,
        "long_context": [{"above": step.above, **_usd(step, STEP_PRICES)} for step in terms.long_context],
    }


def _usd(of: PriceTerms | LongContext, names: tuple[str, ...]) -> dict[str, str | None]:
    found = {f"{name}_price": getattr(of, name) for name in names}
    return {name: None if nanos is None else usd_from_nanos(nanos) for name, nanos in found.items()}
