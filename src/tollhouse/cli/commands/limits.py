"""`tollhouse limits`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json, print_table
from tollhouse.cli.parameters import MOST_OR_OFF, OFF
from tollhouse.cli.scopes import scope_options
from tollhouse.domain.actor import SHELL

if TYPE_CHECKING:
    from tollhouse.domain.principal import Scope
    from tollhouse.services.money.limits import Limit


@click.group("limits")
def command() -> None:
    """Set, list and remove limits: what may be had a minute, and how many open calls at once."""


@command.command("set")
@scope_options("key", "user", "team", "model")
@click.option("--rpm", type=MOST_OR_OFF, help="The most requests a minute.")
@click.option("--tpm", type=MOST_OR_OFF, help="The most tokens a minute, in and out.")
@click.option("--concurrency", type=MOST_OR_OFF, help="The most open calls at once.")
@json_option
def set_(scope: "Scope", as_json: bool, **given: Any) -> None:
    """Make the limit of one scope, or change what is given of it; `off` lifts one. It applies within a second."""
    changes = {
        kind: None if given[kind] == OFF else given[kind]
        for kind in ("rpm", "tpm", "concurrency")
        if given[kind] is not None
    }
    if not changes:
        raise click.UsageError("Give at least one of --rpm, --tpm and --concurrency.")
    with administration() as services:
        limit = services.limits.set(scope, changes, by=SHELL)
    if as_json:
        print_json(_shown(limit))
        return
    parts = [
        f"{most} {unit}"
        for most, unit in (
            (limit.rpm, "requests a minute"),
            (limit.tpm, "tokens a minute"),
            (limit.concurrency, "open calls at once"),
        )
        if most is not None
    ]
    click.echo(f"The limit {limit.id} allows {' '.join(limit.scope)} {', '.join(parts)}.")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the limits, oldest first."""
    with administration() as services:
        limits = services.limits.all()
    if as_json:
        print_json([_shown(limit) for limit in limits])
        return
    rows = [
        {
            "id": limit.id,
            "for": " ".join(limit.scope),
            "requests a minute": limit.rpm,
            "tokens a minute": limit.tpm,
            "open calls": limit.concurrency,
        }
        for limit in limits
    ]
    print_table(rows, empty="No limits yet: `tollhouse limits set --key ID --rpm N` makes one.")


@command.command()
@click.argument("id")
@json_option
def remove(id: str, as_json: bool) -> None:
    """Remove a limit. It ends within a second."""
    with administration() as services:
        services.limits.remove(id, by=SHELL)
    if as_json:
        print_json({"id": id, "removed": True})
    else:
        click.echo(f"The limit {id} is removed.")


def _shown(limit: "Limit") -> dict[str, Any]:
    kind, id = limit.scope
    return {"id": limit.id, kind: id, "rpm": limit.rpm, "tpm": limit.tpm, "concurrency": limit.concurrency}
