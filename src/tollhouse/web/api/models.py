"""`/api/models`: the names that calls ask for, and their prices."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.domain.money import usd_from_nanos
from tollhouse.services.models import Model as ModelValue
from tollhouse.services.models import NewModel
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed

namespace = Namespace("models", "The names that calls ask for, where they lead, and what they cost.")

PRICES = ("input_price", "output_price", "unit_price")


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


def _given(asked: Asked) -> dict[str, Any]:
    return {**asked.body, **{price: asked.amount(price) for price in PRICES if price in asked.body}}


def _shown(model: ModelValue) -> dict[str, Any]:
    prices = {price: getattr(model, price) for price in PRICES}
    return {
        **shown(model),
        **{price: None if nanos is None else usd_from_nanos(nanos) for price, nanos in prices.items()},
    }
