"""`/api/usage`: what was used, added up."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.services.reports.usage import zone_named
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown_page

namespace = Namespace("usage", "What was used and what it cost, added up.")


@namespace.route("")
class Usage(Resource):
    @operation(namespace, "report_usage", "usage_row", query="usage_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """Add up the usage of the teams whose money the caller sees, in the order of the groups

        Each row has its group under the name of `by`: `{"model": "gpt-4o-mini", ...}`. A call without a person, tags or
        an end user is in the group "", one with several tags in each of theirs. Days are those of `timezone`.
        """
        query = asked.query
        place = zone_named(query["timezone"])
        page = services().usage.page(
            query["by"],
            *asked.page,
            since=asked.moment("since", place),
            until=asked.moment("until", place),
            timezone=query["timezone"],
            team_id=query.get("team_id"),
            by=asked.by,
        )
        return shown_page(page, lambda row: row)
