"""`tollhouse up`."""

import click

from tollhouse.settings import load


@click.command("up")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Run the whole gateway on this machine: database, web, workers, scheduler, local model."""
    from tollhouse.up.run import run

    ctx.exit(run(load()))
