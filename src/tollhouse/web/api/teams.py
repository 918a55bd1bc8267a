"""`/api/teams`: teams, and who is in them."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.services.people.memberships import role_named
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed

namespace = Namespace("teams", "Teams, and who is in them.")


@namespace.route("")
class Teams(Resource):
    @operation(namespace, "list_teams", "team", query="page_query", many=True)
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the teams that the caller sees"""
        return shown_page(services().teams.page(*asked.page, by=asked.by))

    @operation(namespace, "create_team", "team", body="new_team", tagged=True, status=201, errors=(409,))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Make a team"""
        return shown(services().teams.create(asked.body["name"], by=asked.by))


@namespace.route("/<string:id>")
class Team(Resource):
    @operation(namespace, "get_team", "team", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a team"""
        return shown(services().teams.get(id, by=asked.by))

    @operation(namespace, "change_team", "team", body="team_change", tagged=True, errors=(404, 409, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Give a team another name, archive it, or say whether what is asked and answered is kept

        To archive it ends its keys within a second. Whoever rules the team itself may set `payload_days`; null or 0
        deletes what was kept, within the hour.
        """
        body = asked.body
        return shown(
            services().teams.change(
                id,
                name=body.get("name"),
                archived=body.get("archived"),
                payload_days=(body["payload_days"] or 0) if "payload_days" in body else None,
                by=asked.by,
                unless_changed=unless_changed(),
            )
        )


@namespace.route("/<string:id>/members")
class Members(Resource):
    @operation(namespace, "list_members", "member", query="page_query", many=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """List who has a role in the team"""
        return shown_page(services().teams.members(id, *asked.page, by=asked.by))


@namespace.route("/<string:id>/members/<string:user_id>")
class Member(Resource):
    @operation(namespace, "set_member", "member", body="member_change", errors=(404, 409))
    def put(self, asked: Asked, id: str, user_id: str) -> dict[str, Any]:
        """Give somebody a role in the team

        Who may not change all people changes the roles of those who are in it, and adds others by invitation.
        """
        return shown(services().teams.set_member(id, user_id, role_named(asked.body["role"]), by=asked.by))

    @operation(namespace, "remove_member", errors=(404,))
    def delete(self, asked: Asked, id: str, user_id: str) -> None:
        """Take somebody's role in the team, and with it their keys there"""
        services().teams.remove_member(id, user_id, by=asked.by)
