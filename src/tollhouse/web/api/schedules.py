"""`/api/schedules`: work that is begun again and again."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed

namespace = Namespace("schedules", "Calls of models, batches and reports that are begun by a timetable.")


@namespace.route("")
class Schedules(Resource):
    @operation(namespace, "list_schedules", "schedule", query="schedule_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the schedules of what the caller sees, oldest first"""
        return shown_page(services().schedules.page(*asked.page, team_id=asked.query.get("team_id"), by=asked.by))

    @operation(
        namespace, "create_schedule", "schedule", body="new_schedule", tagged=True, status=201, errors=(403, 404)
    )
    def post(self, asked: Asked) -> dict[str, Any]:
        """Make a schedule, whose work is checked now and begun when it is due

        It is begun as the API key `key_id`, or as the person who makes the schedule, under their budgets and limits. A
        report is always a person's, and sent with the rights that they, and those who get it, have at that time.
        """
        return shown(services().schedules.create(**asked.body, by=asked.by))


@namespace.route("/<string:id>")
class Schedule(Resource):
    @operation(namespace, "get_schedule", "schedule", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a schedule and when it is due next"""
        return shown(services().schedules.get(id, by=asked.by))

    @operation(namespace, "change_schedule", "schedule", body="schedule_change", tagged=True, errors=(404, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change what is given of a schedule, pause it, let it go on

        Times that went by while it was paused are not made up for.
        """
        return shown(services().schedules.change(id, asked.body, by=asked.by, unless_changed=unless_changed()))

    @operation(namespace, "remove_schedule", errors=(404, 412))
    def delete(self, asked: Asked, id: str) -> None:
        """Remove a schedule and its history; what it has begun goes on"""
        services().schedules.remove(id, by=asked.by, unless_changed=unless_changed())


@namespace.route("/<string:id>/runs")
class Runs(Resource):
    @operation(namespace, "list_schedule_runs", "schedule_run", query="page_query", many=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """List the times that a schedule was due and what came of each, newest first"""
        return shown_page(services().schedule_runs.page(id, *asked.page, by=asked.by))

    @operation(namespace, "run_schedule", "schedule_run", status=202, errors=(404,))
    def post(self, asked: Asked, id: str) -> dict[str, Any]:
        """Begin the work of a schedule now, beside its timetable, also while it is paused"""
        return shown(services().schedule_runs.run_now(id, by=asked.by))
