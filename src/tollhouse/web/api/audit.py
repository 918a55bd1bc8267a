"""`/api/audit`: who changed what."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown_page

namespace = Namespace("audit", "Who changed what, when, from where.")


@namespace.route("")
class Entries(Resource):
    @operation(namespace, "list_audit_entries", "audit_entry", query="audit_query", many=True)
    def get(self, asked: Asked) -> dict[str, Any]:
        """List changes, newest first"""
        query = asked.query
        return shown_page(
            services().audit.page(
                *asked.page,
                team_id=query.get("team_id"),
                actor_id=query.get("actor_id"),
                subject_id=query.get("subject_id"),
                action=query.get("action"),
                since=asked.moment("since"),
                until=asked.moment("until"),
                by=asked.by,
            )
        )
