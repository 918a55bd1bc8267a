"""`/api/limits`: how much there may be a minute, and how many open calls at once."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.services.money.limits import KINDS
from tollhouse.services.money.limits import Limit as LimitValue
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed
from tollhouse.web.scopes import filter_of, scope_of

namespace = Namespace("limits", "How many requests and tokens a minute there may be, and open calls at once.")


@namespace.route("")
class Limits(Resource):
    @operation(namespace, "list_limits", "limit", query="limit_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the limits of what the caller sees, oldest first"""
        return shown_page(services().limits.page(*asked.page, wanted=filter_of(asked.query), by=asked.by), _shown)

    @operation(namespace, "create_limit", "limit", body="new_limit", tagged=True, status=201, errors=(404, 409))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Set a limit on a scope that has none"""
        most = {kind: asked.body[kind] for kind in KINDS if kind in asked.body}
        return _shown(services().limits.create(scope_of(asked.body), most, by=asked.by))


@namespace.route("/<string:id>")
class Limit(Resource):
    @operation(namespace, "get_limit", "limit", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a limit"""
        return _shown(services().limits.get(id, by=asked.by))

    @operation(namespace, "change_limit", "limit", body="limit_change", tagged=True, errors=(404, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change what is given of a limit, within a second; null lifts one"""
        return _shown(services().limits.change(id, asked.body, by=asked.by, unless_changed=unless_changed(_shown)))

    @operation(namespace, "remove_limit", errors=(404, 412))
    def delete(self, asked: Asked, id: str) -> None:
        """Remove a limit, within a second"""
        services().limits.remove(id, by=asked.by, unless_changed=unless_changed(_shown))


def _shown(limit: LimitValue) -> dict[str, Any]:
    kind, id = limit.scope
    return {**shown(limit, "scope"), "scope": kind, "scope_id": id}
