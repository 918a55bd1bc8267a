"""`/api/deployments`: the hosts that models have beside their own."""

from dataclasses import fields
from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.domain.money import usd_from_nanos
from tollhouse.services.models.deployment_terms import Terms
from tollhouse.services.models.deployments import Deployment as DeploymentValue
from tollhouse.services.models.deployments import NewDeployment
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed

namespace = Namespace("deployments", "The hosts that models have beside their own, between which their calls choose.")

PRICES = ("input_price", "output_price")
TERMS = tuple(field.name for field in fields(Terms))


@namespace.route("")
class Deployments(Resource):
    @operation(namespace, "list_deployments", "deployment", query="deployment_query", many=True)
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the deployments beside the models' own, oldest first"""
        query, deployments = asked.query, services().deployments
        return shown_page(
            deployments.page(*asked.page, model=query.get("model"), provider=query.get("provider"), by=asked.by),
            _shown,
        )

    @operation(
        namespace, "create_deployment", "deployment", body="new_deployment", tagged=True, status=201, errors=(404,)
    )
    def post(self, asked: Asked) -> dict[str, Any]:
        """Add a deployment of a model, effective in all processes within a second"""
        given = _given(asked)
        model = given.pop("model")
        terms = Terms(**{name: given.pop(name) for name in TERMS if name in given})
        return _shown(services().deployments.add(model, NewDeployment(**given, terms=terms), by=asked.by))


@namespace.route("/<string:id>")
class Deployment(Resource):
    @operation(namespace, "get_deployment", "deployment", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a deployment"""
        return _shown(services().deployments.get(id, by=asked.by))

    @operation(namespace, "change_deployment", "deployment", body="deployment_change", tagged=True, errors=(404, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change a deployment, from the next call on; null is as where nothing was said"""
        return _shown(
            services().deployments.change(id, _given(asked), by=asked.by, unless_changed=unless_changed(_shown))
        )

    @operation(namespace, "remove_deployment", errors=(404, 412))
    def delete(self, asked: Asked, id: str) -> None:
        """Remove a deployment; calls that are under way there go on"""
        services().deployments.remove(id, by=asked.by, unless_changed=unless_changed(_shown))


def _given(asked: Asked) -> dict[str, Any]:
    body = {name: tuple(value) if isinstance(value, list) else value for name, value in asked.body.items()}
    return {**body, **{price: asked.amount(price) for price in PRICES if price in body}}


def _shown(deployment: DeploymentValue) -> dict[str, Any]:
    prices = {price: getattr(deployment, price) for price in PRICES}
    return {
        **shown(deployment, "terms"),
        **{price: None if nanos is None else usd_from_nanos(nanos) for price, nanos in prices.items()},
        **deployment.terms.columns(),
    }
