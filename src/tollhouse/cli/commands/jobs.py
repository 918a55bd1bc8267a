"""`tollhouse jobs`."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.domain.actor import SHELL

if TYPE_CHECKING:
    from tollhouse.services.jobs.sources import Job


@click.group("jobs")
def command() -> None:
    """Show and cancel what runs in the background: batches, responses, reports, runs of schedules."""


@command.command("list")
@click.option("--team", "team_id", help="Those of this team, by its id.")
@click.option("--kind", type=click.Choice(["batch", "message_batch", "response", "report", "schedule_run"]),
              help="Of this kind.")  # fmt: skip
@click.option("--state", type=click.Choice(["open", "ended"]), help="Those that have not ended, or those that have.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="The most to list.")
@json_option
def list_(limit: int, as_json: bool, **wanted: str | None) -> None:
    """List them, newest first."""
    from tollhouse.domain.page import every

    with administration() as services:
        pages = every(lambda size, after: services.background_jobs.page(size, after, by=SHELL, **wanted))
        jobs = [*islice(pages, limit)]
    if as_json:
        print_json([_shown(job) for job in jobs])
        return
    rows = [
        {
            "id": job.id,
            "status": job.status,
            "team": job.team_id,
            "since": minute(job.created_at),
            "done": _progress(job),
            "about": job.waits_for or job.error,
        }
        for job in jobs
    ]
    print_table(rows, empty="Nothing runs in the background.")


@command.command()
@click.argument("id")
@json_option
def show(id: str, as_json: bool) -> None:
    """Show one."""
    with administration() as services:
        job = services.background_jobs.get(id, by=SHELL)
    _print(job, as_json)


@command.command()
@click.argument("id")
@json_option
def cancel(id: str, as_json: bool) -> None:
    """Cancel one that has not ended: nothing more of it is begun."""
    with administration() as services:
        job = services.background_jobs.cancel(id, by=SHELL)
    _print(job, as_json)


def _print(job: "Job", as_json: bool) -> None:
    if as_json:
        print_json(_shown(job))
        return
    for name, value in _shown(job).items():
        if value is not None:
            click.echo(f"{name}: {value}")


def _progress(job: "Job") -> str | None:
    if job.progress is None:
        return None
    done = job.progress["completed"] + job.progress["failed"]
    return f"{done} of {job.progress['total']}"


def _shown(job: "Job") -> dict[str, Any]:
    fields = ("id", "kind", "team_id", "key_id", "status", "is_open", "progress", "waits_for", "error", "cost_usd")
    shown = {name: getattr(job, name) for name in fields}
    times = {"created_at": moment(job.created_at), "ended_at": moment(job.ended_at)}
    return {**shown, **times, "may_cancel": job.may_cancel}
