"""`tollhouse worker`."""

import click

from tollhouse.cli.administration import make_database_apart
from tollhouse.settings import load


@click.command("worker")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Do background work until asked to stop."""
    from tollhouse.worker import run

    settings = load()
    make_database_apart(settings)
    ctx.exit(run(settings))
