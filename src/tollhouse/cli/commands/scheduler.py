"""`tollhouse scheduler`."""

import click

from tollhouse.cli.administration import make_database_apart
from tollhouse.settings import load


@click.command("scheduler")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Wake the workers for what is due, until asked to stop."""
    from tollhouse.scheduler import run

    settings = load()
    make_database_apart(settings)
    ctx.exit(run(settings))
