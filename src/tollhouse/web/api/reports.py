"""`/api/reports`: tables of what was used, to read and to download."""

from typing import Any

from flask import Response
from flask_restx import Namespace, Resource

from tollhouse.domain.tables import FORMATS
from tollhouse.services.reports.reports import FACTOR, ReportOrder
from tollhouse.services.reports.usage import zone_named
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation

namespace = Namespace("reports", "Tables of what was used, what it cost and how long it took.")


@namespace.route("/<string:report>")
@namespace.doc(params={"report": "`usage`, `latency`, `forecast`, `anomalies` or `chargeback`"})
class Report(Resource):
    @namespace.doc(produces=[*FORMATS.values(), "application/problem+json"])
    @operation(namespace, "run_report", "report", query="report_query", errors=(404,))
    def get(self, asked: Asked, report: str) -> dict[str, Any] | Response:
        """Run a report over the teams whose money the caller sees

        `usage` adds up requests, tokens and cost, with unit costs, what caches saved and how many calls failed;
        `latency` has percentiles of times; `forecast` what this month will have cost at its end; `anomalies` who cost
        `factor` times the usual of the four weeks before; `chargeback` what each team is to pay for a month, to the
        nano-dollar of the ledger. `by` is one or more of key, user, team, model, provider, tag, hour, day and month,
        by comma.
        With a `format` other than json the answer is a file.
        """
        query = asked.query
        place = zone_named(query["timezone"])
        order = ReportOrder(
            report,
            tuple(part.strip() for part in query["by"].split(",")) if "by" in query else (),
            asked.moment("since", place),
            asked.moment("until", place),
            query["timezone"],
            query.get("team_id"),
            query.get("month"),
            float(query.get("factor", FACTOR)),
        )
        table = services().reports.run(order, by=asked.by)
        if query["format"] == "json":
            return {"report": report, "rows": table.documents()}
        file = services().write_table(table, query["format"])
        name = f"tollhouse-{table.name}.{query['format']}"
        return Response(
            file,
            content_type=FORMATS[query["format"]],
            headers={"content-disposition": f'attachment; filename="{name}"', "x-content-type-options": "nosniff"},
        )
