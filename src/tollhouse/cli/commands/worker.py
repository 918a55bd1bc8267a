"""`tollhouse worker`."""

import click

from tollhouse.cli.administration import make_database_apart
from tollhouse.settings import load


@click.command("worker")
@click.option("--responses", is_flag=True, help="Make the responses that are asked for with `background`, and no more.")
@click.pass_context
def command(ctx: click.Context, responses: bool) -> None:
    """Do background work until asked to stop: all but responses, for which there are workers of their own."""
    from tollhouse.domain.ports import QUEUE, RESPONSES_QUEUE
    from tollhouse.worker import run

    settings = load()
    make_database_apart(settings)
    ctx.exit(run(settings, queue=RESPONSES_QUEUE if responses else QUEUE))
