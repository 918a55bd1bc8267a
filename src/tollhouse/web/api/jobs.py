"""`/api/jobs`: what runs in the background, of all kinds."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page

namespace = Namespace("jobs", "What runs in the background: batches, responses, reports, runs of schedules.")


@namespace.route("")
class Jobs(Resource):
    @operation(namespace, "list_jobs", "job", query="job_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """List what runs or ran in the background of what the caller sees, newest first"""
        wanted = {name: asked.query[name] for name in ("team_id", "kind", "state") if name in asked.query}
        return shown_page(services().background_jobs.page(*asked.page, **wanted, by=asked.by))


@namespace.route("/<string:id>")
class Job(Resource):
    @operation(namespace, "get_job", "job", errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show one"""
        return shown(services().background_jobs.get(id, by=asked.by))


@namespace.route("/<string:id>/cancel")
class Cancel(Resource):
    @operation(namespace, "cancel_job", "job", errors=(404, 409))
    def post(self, asked: Asked, id: str) -> dict[str, Any]:
        """Cancel one that has not ended: nothing more of it is begun"""
        return shown(services().background_jobs.cancel(id, by=asked.by))
