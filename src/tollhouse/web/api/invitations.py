"""`/api/invitations`: those that nobody has accepted yet. `POST /api/users` makes one."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page

namespace = Namespace("invitations", "Invitations that nobody has accepted yet.")


@namespace.route("")
class Invitations(Resource):
    @operation(namespace, "list_invitations", "invitation", query="invitation_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the open invitations to where the caller may invite, oldest first"""
        return shown_page(services().invitations.page(*asked.page, team_id=asked.query.get("team_id"), by=asked.by))


@namespace.route("/<string:id>")
class Invitation(Resource):
    @operation(namespace, "get_invitation", "invitation", errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show an open invitation"""
        return shown(services().invitations.get(id, by=asked.by))

    @operation(namespace, "withdraw_invitation", errors=(404,))
    def delete(self, asked: Asked, id: str) -> None:
        """Withdraw an invitation: its link is good for nothing from now on"""
        services().invitations.withdraw(id, by=asked.by)
