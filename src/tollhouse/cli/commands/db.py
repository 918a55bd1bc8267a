"""`tollhouse db`: the schema of the database."""

from typing import TYPE_CHECKING

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json

if TYPE_CHECKING:
    from tollhouse.wiring import Services


@click.group("db")
def command() -> None:
    """Bring the database's schema to another version, or look at it."""


@command.command()
@json_option
def upgrade(as_json: bool) -> None:
    """Bring the database to this version. Nothing happens when it is there."""
    with administration() as services:
        services.schema.upgrade()
        _print_revision(services, as_json)


# A revision may be relative, as -1, which is no option.
@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("revision", default="-1")
@json_option
def downgrade(revision: str, as_json: bool) -> None:
    """Take migrations back: one, or down to REVISION ("base": all of them, with all data)."""
    with administration() as services:
        services.schema.downgrade(revision)
        _print_revision(services, as_json)


@command.command()
@json_option
def current(as_json: bool) -> None:
    """Show which revision the database is at, and which this version needs."""
    with administration() as services:
        _print_revision(services, as_json)


@command.command()
def check() -> None:
    """Fail when the tables are not what this version declares."""
    with administration() as services:
        services.schema.check()
    click.echo("The tables are what this version declares.")


def _print_revision(services: "Services", as_json: bool) -> None:
    now, newest = services.schema.current(), services.schema.newest()
    if as_json:
        print_json({"current": now, "newest": newest})
    elif now == newest:
        click.echo(f"The database is at {now}, the newest revision.")
    else:
        click.echo(f"The database is at {now or 'no revision'}; the newest is {newest}: run `tollhouse db upgrade`.")
