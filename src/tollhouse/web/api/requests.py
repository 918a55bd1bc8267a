"""`/api/requests`: the ledger as a log that can be searched."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.services.requests.booked_attempts import BookedAttempt
from tollhouse.services.requests.requests import LoggedRequest
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page

namespace = Namespace("requests", "Calls as they were booked.")


@namespace.route("")
class Requests(Resource):
    @operation(namespace, "list_requests", "booked_attempt", query="request_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """List what was booked, newest first

        Each attempt at a provider is a row, and so is a correction (`kind` is `adjustment`). Without `since` a search
        for something rare reads far back: what takes too long is ended with status 503.

        `text` is looked for in what was asked and answered, of teams that keep that and that the caller rules. It is
        sealed, so no index helps: a page opens 500 calls at most, and may be empty while `next` goes on.
        """
        asked_for: dict[str, Any] = {name: asked.query.get(name) for name in _EQUAL}
        page = services().requests.page(
            *asked.page,
            **asked_for,
            since=asked.moment("since"),
            until=asked.moment("until"),
            min_cost=asked.amount("min_cost_usd"),
            max_cost=asked.amount("max_cost_usd"),
            by=asked.by,
        )
        return shown_page(page, _attempt)


@namespace.route("/<string:id>")
class Request(Resource):
    @operation(namespace, "get_request", "logged_request", errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show one call with its attempts, by the id that its response had as `x-request-id`

        `error` is what the caller was told of a call that was refused or failed; one that was refused has no attempts.
        `payload` is what was asked and answered, where the team keeps it (`payload_days`), for who rules the team.
        """
        return _request(services().requests.get(id, by=asked.by))


_EQUAL = (
    "team_id",
    "key_id",
    "user_id",
    "end_user",
    "model",
    "provider",
    "tag",
    "request_id",
    "status",
    "outcome",
    "text",
)


def _attempt(attempt: BookedAttempt) -> dict[str, Any]:
    prices = None if attempt.prices is None else shown(attempt.prices)
    return {**shown(attempt), "prices": prices}


def _request(request: LoggedRequest) -> dict[str, Any]:
    return {
        **shown(request),
        "attempts": [_attempt(attempt) for attempt in request.attempts],
        "error": None if request.error is None else shown(request.error),
        "payload": None if request.payload is None else shown(request.payload),
    }
