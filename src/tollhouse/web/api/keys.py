"""`/api/keys`: API keys."""

from datetime import timedelta
from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed

namespace = Namespace("keys", "API keys, with which programs call models.")


@namespace.route("")
class Keys(Resource):
    @operation(namespace, "list_keys", "key", query="key_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the keys of the teams that the caller sees, oldest first"""
        query = asked.query
        return shown_page(
            services().keys.page(*asked.page, team_id=query.get("team_id"), user_id=query.get("user_id"), by=asked.by)
        )

    @operation(namespace, "create_key", "new_key", body="key_creation", tagged=True, status=201, errors=(404, 409))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Make a key, which is shown this once"""
        body = asked.body
        key = services().keys.create(
            body["name"],
            team_id=body.get("team_id", DEFAULT_TEAM),
            user_id=body.get("user_id"),
            models=body.get("models"),
            paths=body.get("paths"),
            networks=body.get("networks"),
            tags=body.get("tags"),
            priority=body.get("priority"),
            expires_at=asked.moment("expires_at"),
            by=asked.by,
        )
        return shown(key)


@namespace.route("/<string:id>")
class Key(Resource):
    @operation(namespace, "get_key", "key", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a key, without the key itself"""
        return shown(services().keys.get(id, by=asked.by))

    @operation(namespace, "change_key", "key", body="key_change", tagged=True, errors=(404, 409, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change what a key is called, may do, and when it ends; null is all, or never"""
        changes = dict(asked.body)
        if "expires_at" in changes:
            changes["expires_at"] = asked.moment("expires_at")
        return shown(services().keys.change(id, changes, by=asked.by, unless_changed=unless_changed()))

    @operation(namespace, "revoke_key", "key", tagged=True, errors=(404, 412))
    def delete(self, asked: Asked, id: str) -> dict[str, Any]:
        """End a key, in all processes within a second; it stays in lists"""
        return shown(services().keys.revoke(id, by=asked.by, unless_changed=unless_changed()))


@namespace.route("/<string:id>/rotate")
class Rotation(Resource):
    @operation(namespace, "rotate_key", "new_key", body="key_rotation", tagged=True, once=True, errors=(404, 409, 412))
    def post(self, asked: Asked, id: str) -> dict[str, Any]:
        """Give a key a new secret, shown this once; the one before is good for the overlap"""
        overlap = timedelta(seconds=asked.body.get("overlap_seconds", 0))
        return shown(services().keys.rotate(id, overlap=overlap, by=asked.by, unless_changed=unless_changed()))
