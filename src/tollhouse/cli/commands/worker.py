"""`tollhouse worker`."""

import click

from tollhouse.cli.administration import make_database_apart
from tollhouse.settings import load


@click.command("worker")
@click.option("--short", "only", flag_value="short", help="Do the work that takes seconds, and no more.")
@click.option("--batches", "only", flag_value="batches", help="Work off batches, and no more.")
@click.option(
    "--responses", "only", flag_value="responses", help="Make the responses that are asked for with `background`."
)
@click.option("--webhooks", "only", flag_value="webhooks", help="Deliver to webhooks, and no more.")
@click.pass_context
def command(ctx: click.Context, only: str | None) -> None:
    """Do background work until asked to stop: all of it, in a process for each kind of it, or only one kind."""
    settings = load()
    make_database_apart(settings)
    if only is None:
        from tollhouse.up.workers import run_all

        ctx.exit(run_all(settings))
    from tollhouse.domain.ports import BATCHES_QUEUE, QUEUE, RESPONSES_QUEUE, WEBHOOKS_QUEUE
    from tollhouse.worker import run

    queues = {
        "short": QUEUE,
        "batches": BATCHES_QUEUE,
        "responses": RESPONSES_QUEUE,
        "webhooks": WEBHOOKS_QUEUE,
    }
    ctx.exit(run(settings, queue=queues[only]))
