"""`tollhouse worker`."""

import click

from tollhouse.settings import load


@click.command("worker")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Do background work until asked to stop."""
    from tollhouse.worker import run

    ctx.exit(run(load()))
