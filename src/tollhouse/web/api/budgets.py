"""`/api/budgets`: what may be spent in a period."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.domain.money import usd_from_nanos
from tollhouse.services.money.budgets import Budget as BudgetValue
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed
from tollhouse.web.scopes import filter_of, scope_of

namespace = Namespace("budgets", "What a key, a person, a team, a model, a tag or all may spend in a period.")


@namespace.route("")
class Budgets(Resource):
    @operation(namespace, "list_budgets", "budget", query="budget_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the budgets in force of what the caller sees, oldest first"""
        period = asked.query.get("period")
        wanted = filter_of(asked.query)
        return shown_page(services().budgets.page(*asked.page, wanted=wanted, period=period, by=asked.by), _shown)

    @operation(namespace, "create_budget", "budget", body="new_budget", tagged=True, status=201, errors=(404, 409))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Make a budget, which starts from what the ledger shows for its period

        Calls that are open at the moment count as held in it. A scope has one budget for each period.
        """
        body = asked.body
        budget = services().budgets.create(
            scope_of(body),
            asked.amount("usd") or 0,
            body["period"],
            timezone=body.get("timezone", "UTC"),
            hard=not body.get("soft", False),
            by=asked.by,
        )
        return _shown(budget)


@namespace.route("/<string:id>")
class Budget(Resource):
    @operation(namespace, "get_budget", "budget", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a budget with what is spent and held in its present period, also a retired one"""
        return _shown(services().budgets.get(id, by=asked.by))

    @operation(namespace, "change_budget", "budget", body="budget_change", tagged=True, errors=(404, 409, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change what may be spent, from the next call on

        In another time zone it is another budget, with another id, which starts from the ledger; this one is retired.
        """
        budget = services().budgets.change(
            id,
            limit=asked.amount("usd"),
            timezone=asked.body.get("timezone"),
            hard=not asked.body["soft"] if "soft" in asked.body else None,
            by=asked.by,
            unless_changed=unless_changed(_shown),
        )
        return _shown(budget)

    @operation(namespace, "retire_budget", "budget", tagged=True, errors=(404, 412))
    def delete(self, asked: Asked, id: str) -> dict[str, Any]:
        """End a budget; reports keep it, and lists do not"""
        return _shown(services().budgets.retire(id, by=asked.by, unless_changed=unless_changed(_shown)))


def _shown(budget: BudgetValue) -> dict[str, Any]:
    kind, id = budget.scope
    return {
        **shown(budget, "scope", "limit", "hard", "spent", "held"),
        "scope": kind,
        "scope_id": id,
        "usd": usd_from_nanos(budget.limit),
        "soft": not budget.hard,
        "spent_usd": usd_from_nanos(budget.spent),
        "held_usd": usd_from_nanos(budget.held),
    }
