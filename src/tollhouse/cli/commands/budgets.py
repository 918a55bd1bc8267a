"""`tollhouse budgets`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table, usd
from tollhouse.cli.parameters import USD
from tollhouse.cli.scopes import scope_options
from tollhouse.domain.actor import SHELL
from tollhouse.domain.periods import PERIODS
from tollhouse.domain.principal import SCOPE_KINDS

if TYPE_CHECKING:
    from tollhouse.domain.principal import Scope
    from tollhouse.services.money.budgets import Budget


@click.group("budgets")
def command() -> None:
    """Set, list and retire budgets: what a key, a team or anything else may spend in a period."""


@command.command("set")
@scope_options(*SCOPE_KINDS[:-1])
@click.option("--usd", "limit", type=USD, required=True, metavar="X", help="The most that may be spent.")
@click.option("--period", type=click.Choice(PERIODS), required=True, help="When it begins anew; total: never.")
@click.option("--timezone", default="UTC", show_default=True, metavar="TZ", help="Where the days begin.")
@click.option("--soft", is_flag=True, help="Count only: refuse nothing.")
@json_option
def set_(scope: "Scope", limit: int, period: str, timezone: str, soft: bool, as_json: bool) -> None:
    """Make the budget of this scope and period, or change it. It applies from the next call on."""
    with administration() as services:
        budget = services.budgets.set(scope, limit, period, timezone=timezone, hard=not soft, by=SHELL)
    if as_json:
        print_json(_shown(budget))
        return
    click.echo(
        f"The budget {budget.id} allows {usd(budget.limit)} USD for each {budget.period}; "
        f"{usd(budget.spent)} USD of it are spent."
        if budget.period != "total"
        else f"The budget {budget.id} allows {usd(budget.limit)} USD in total; {usd(budget.spent)} USD are spent."
    )


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the budgets in force, oldest first, with what is spent and held in the present period."""
    with administration() as services:
        budgets = services.budgets.all()
    if as_json:
        print_json([_shown(budget) for budget in budgets])
        return
    rows = [
        {
            "id": budget.id,
            "for": " ".join(budget.scope),
            "usd": usd(budget.limit),
            "period": budget.period,
            "spent": usd(budget.spent),
            "held": usd(budget.held),
            "since": None if budget.period == "total" else minute(budget.starts_at),
            "timezone": budget.timezone,
            "kind": "hard" if budget.hard else "soft",
        }
        for budget in budgets
    ]
    print_table(rows, empty="No budgets yet: `tollhouse budgets set --key ID --usd X --period month` makes one.")


@command.command()
@click.argument("id")
@json_option
def retire(id: str, as_json: bool) -> None:
    """End a budget. Reports keep it."""
    with administration() as services:
        services.budgets.retire(id, by=SHELL)
    if as_json:
        print_json({"id": id, "retired": True})
    else:
        click.echo(f"The budget {id} is retired.")


def _shown(budget: "Budget") -> dict[str, Any]:
    kind, id = budget.scope
    return {
        "id": budget.id,
        kind: id,
        "limit_usd": usd(budget.limit),
        "spent_usd": usd(budget.spent),
        "held_usd": usd(budget.held),
        "period": budget.period,
        "starts_at": moment(budget.starts_at),
        "timezone": budget.timezone,
        "hard": budget.hard,
    }
