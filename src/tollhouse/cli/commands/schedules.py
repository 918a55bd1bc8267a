"""`tollhouse schedules`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.cli.parameters import JSON_OBJECT
from tollhouse.domain.actor import SHELL

if TYPE_CHECKING:
    from tollhouse.services.schedules.runs import ScheduleRun
    from tollhouse.services.schedules.schedules import Schedule


@click.group("schedules")
def command() -> None:
    """Begin calls of models and batches by a timetable."""


@command.command()
@click.argument("name")
@click.option("--key", "key_id", required=True, help="The id of the API key as which it is begun.")
@click.option("--cron", required=True, help="Minute, hour, day, month, day of the week: `30 6 * * MON-FRI`.")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA name such as Europe/Berlin.")
@click.option("--prompt", help="What the model is told; the answer is a stored response.")
@click.option("--model", help="The model of the prompt.")
@click.option("--body", type=JSON_OBJECT, help="The whole body of a response as JSON, or @FILE; instead of a prompt.")
@click.option("--batch", "file_id", help="The id of an uploaded file: its lines are a batch each time.")
@click.option("--endpoint", default="/v1/chat/completions", show_default=True, help="The endpoint of the batch.")
@click.option("--missed", type=click.Choice(["run", "skip"]), default="run", show_default=True, help="If it is late.")
@json_option
def add(
    name: str,
    prompt: str | None,
    model: str | None,
    body: dict[str, Any] | None,
    file_id: str | None,
    endpoint: str,
    as_json: bool,
    **terms: Any,
) -> None:
    """Make a schedule. Its work is checked now, and begun when it is due."""
    if sum(one is not None for one in (prompt, body, file_id)) != 1:
        raise click.UsageError("Give one of --prompt, --body and --batch.")
    if prompt is not None and model is None:
        raise click.UsageError("A --prompt needs a --model.")
    kind = "batch" if file_id is not None else "prompt"
    work: dict[str, Any] = {"model": model, "input": prompt}
    if file_id is not None:
        work = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": "24h"}
    elif body is not None:
        work = body
    with administration() as services:
        schedule = services.schedules.create(name, kind, work, **terms, by=SHELL)
    if as_json:
        print_json(_shown(schedule))
    else:
        click.echo(_told(schedule))


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the schedules, oldest first."""
    from tollhouse.domain.page import every

    with administration() as services:
        schedules = [*every(services.schedules.page)]
    if as_json:
        print_json([_shown(one) for one in schedules])
        return
    rows = [
        {
            "id": one.id,
            "name": one.name,
            "kind": one.kind,
            "as": one.key_id,
            "cron": one.cron,
            "timezone": one.timezone,
            "next": _when(one),
        }
        for one in schedules
    ]
    print_table(rows, empty="No schedules yet: `tollhouse schedules add NAME --cron … --key ID --prompt …` makes one.")


@command.command()
@click.argument("id")
@json_option
def pause(id: str, as_json: bool) -> None:
    """Begin nothing more of a schedule until it is resumed."""
    _change(id, {"paused": True}, as_json)


@command.command()
@click.argument("id")
@json_option
def resume(id: str, as_json: bool) -> None:
    """Let a paused schedule go on, from its next time on."""
    _change(id, {"paused": False}, as_json)


@command.command()
@click.argument("id")
@json_option
def remove(id: str, as_json: bool) -> None:
    """Remove a schedule and its history. What it has begun goes on."""
    with administration() as services:
        services.schedules.remove(id, by=SHELL)
    if as_json:
        print_json({"id": id, "removed": True})
    else:
        click.echo(f"The schedule {id} is removed.")


@command.command()
@click.argument("id")
@json_option
def run(id: str, as_json: bool) -> None:
    """Begin the work of a schedule now, beside its timetable."""
    with administration() as services:
        made = services.schedule_runs.run_now(id, by=SHELL)
    if as_json:
        print_json(_shown_run(made))
    else:
        click.echo(f"The run {made.id} begins as soon as a worker is there.")


@command.command()
@click.argument("id")
@json_option
def runs(id: str, as_json: bool) -> None:
    """List when a schedule was due and what came of it, newest first."""
    with administration() as services:
        found = services.schedule_runs.page(id, 200, by=SHELL).items
    if as_json:
        print_json([_shown_run(one) for one in found])
        return
    rows = [
        {"due": minute(one.due_at), "state": one.state, "work": one.work_id, "status": one.status, "error": one.error}
        for one in found
    ]
    print_table(rows, empty="It was not due yet.")


def _change(id: str, changes: dict[str, Any], as_json: bool) -> None:
    with administration() as services:
        schedule = services.schedules.change(id, changes, by=SHELL)
    if as_json:
        print_json(_shown(schedule))
    else:
        click.echo(_told(schedule))


def _told(schedule: "Schedule") -> str:
    return f"The schedule {schedule.id} is {'' if schedule.paused else 'due next at '}{_when(schedule)}."


def _when(schedule: "Schedule") -> str:
    return "paused" if schedule.next_at is None else f"{minute(schedule.next_at)} UTC"


def _shown(schedule: "Schedule") -> dict[str, Any]:
    fields = ("id", "name", "team_id", "key_id", "kind", "work", "cron", "timezone", "missed", "paused")
    shown = {name: getattr(schedule, name) for name in fields}
    return {**shown, "next_at": moment(schedule.next_at), "created_at": moment(schedule.created_at)}


def _shown_run(run: "ScheduleRun") -> dict[str, Any]:
    shown = {name: getattr(run, name) for name in ("id", "schedule_id", "state", "work_id", "status", "error")}
    return {**shown, "due_at": moment(run.due_at), "started_at": moment(run.started_at)}
