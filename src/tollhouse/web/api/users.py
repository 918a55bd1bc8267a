"""`/api/users`: people, and inviting them."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.domain.errors import InvalidField
from tollhouse.services.people.memberships import role_named
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed

namespace = Namespace("users", "People, and inviting them.")


@namespace.route("")
class Users(Resource):
    @operation(namespace, "list_users", "user", query="user_query", many=True)
    def get(self, asked: Asked) -> dict[str, Any]:
        """List people, oldest first"""
        return shown_page(services().users.page(*asked.page, email=asked.query.get("email"), by=asked.by))

    @operation(namespace, "invite_user", "invitation", body="new_invitation", status=202, errors=(404, 409, 429))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Invite somebody by mail to a team, or to the organisation

        The link is in the mail alone; without a mail server it is in the gateway's log. One person may invite 100
        within an hour (TOLLHOUSE_INVITATIONS_PER_HOUR), and an address is invited 5 times within a day at most. Open
        ones are in /api/invitations.
        """
        body = asked.body
        return shown(
            services().invitations.invite(body["email"], role_named(body["role"]), body.get("team_id"), by=asked.by)
        )


@namespace.route("/<string:id>")
class User(Resource):
    @operation(namespace, "get_user", "user", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a person"""
        return shown(services().users.get(id, by=asked.by))

    @operation(namespace, "change_user", "user", body="user_change", tagged=True, errors=(404, 409, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Give somebody another role in the organisation, or keep them out

        `disabled` ends their keys and all that was issued to them, within a second.
        """
        users, body = services().users, asked.body
        if len(body) != 1:
            raise InvalidField("The body: change one thing at a time, `role` or `disabled`.", param="role")
        if "disabled" in body:
            return shown(users.set_disabled(id, body["disabled"], by=asked.by, unless_changed=unless_changed()))
        role = None if body["role"] is None else role_named(body["role"])
        return shown(users.set_role(id, role, by=asked.by, unless_changed=unless_changed()))

    @operation(namespace, "delete_user", errors=(404, 409))
    def delete(self, asked: Asked, id: str) -> None:
        """Forget somebody, or oneself

        Their keys and all that was issued to them end within a second. What they used stays, under an id that nobody
        has any more.
        """
        services().personal_data.delete(id, by=asked.by)


@namespace.route("/<string:id>/export")
class Export(Resource):
    @operation(namespace, "export_user", "personal_data", errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Tell all that is known of somebody, or of oneself"""
        return shown(services().personal_data.export(id, by=asked.by))
