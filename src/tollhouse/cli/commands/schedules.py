"""`tollhouse schedules`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.cli.parameters import JSON_OBJECT
from tollhouse.cli.report_terms import REPORT_FIELDS, REPORTS, report_options
from tollhouse.domain.actor import SHELL

if TYPE_CHECKING:
    from tollhouse.services.schedules.runs import ScheduleRun
    from tollhouse.services.schedules.schedules import Schedule


_KINDS = (("prompt", "prompt"), ("prompt", "body"), ("batch", "file_id"), ("report", "report"))
"""Each with the option that asks for it."""


@click.group("schedules")
def command() -> None:
    """Begin calls of models, batches and reports by a timetable."""


@command.command()
@click.argument("name")
@click.option("--key", "key_id", help="The id of the API key as which it is begun.")
@click.option("--user", help="The person as whom it is begun, by address or id; instead of a key.")
@click.option("--team", help="The team that the person's schedule is of, by id or name.")
@click.option("--cron", required=True, help="Minute, hour, day, month, day of the week: `30 6 * * MON-FRI`.")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA name such as Europe/Berlin.")
@click.option("--prompt", help="What the model is told; the answer is a stored response.")
@click.option("--model", help="The model of the prompt.")
@click.option("--body", type=JSON_OBJECT, help="The whole body of a response as JSON, or @FILE; instead of a prompt.")
@click.option("--batch", "file_id", help="The id of an uploaded file: its lines are a batch each time.")
@click.option("--endpoint", default="/v1/chat/completions", show_default=True, help="The endpoint of the batch.")
@click.option("--report", type=click.Choice(REPORTS), help="The report that is sent each time.")
@report_options
@click.option("--missed", type=click.Choice(["run", "skip"]), default="run", show_default=True, help="If it is late.")
@json_option
def add(name: str, user: str | None, team: str | None, of_team: str | None, as_json: bool, **given: Any) -> None:
    """Make a schedule. Its work is checked now, and begun when it is due. A report is sent with a person's rights."""
    terms = {field: given.pop(field) for field in ("cron", "timezone", "missed", "key_id")}
    kinds = [kind for kind, field in _KINDS if given[field] is not None]
    if len(kinds) != 1:
        raise click.UsageError("Give one of --prompt, --body, --batch and --report.")
    if (terms["key_id"] is None) == (user is None):
        raise click.UsageError("Give one of --key and --user.")
    (kind,) = kinds
    _check_report(kind, user, [of_team, *(given[field] for field in REPORT_FIELDS)])
    work = _work_of(kind, given)
    with administration() as services:
        if of_team is not None:
            work["team_id"] = services.teams.named(of_team).id
        user_id = services.users.named(user).id if user else None
        team_id = services.teams.named(team).id if team else None
        schedule = services.schedules.create(name, kind, work, **terms, user_id=user_id, team_id=team_id, by=SHELL)
    if as_json:
        print_json(_shown(schedule))
    else:
        click.echo(_told(schedule))


def _check_report(kind: str, user: str | None, of_report: list[Any]) -> None:
    if kind == "report" and user is None:
        raise click.UsageError("A --report takes the rights of a --user.")
    if kind != "report" and any(of_report):
        raise click.UsageError("What a report is made of takes a --report.")


def _work_of(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    if kind == "batch":
        return {"input_file_id": given["file_id"], "endpoint": given["endpoint"], "completion_window": "24h"}
    if kind == "report":
        fields = {name: given[name] for name in ("report", *REPORT_FIELDS) if given[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    if given["body"] is not None:
        return dict(given["body"])
    if given["model"] is None:
        raise click.UsageError("A --prompt needs a --model.")
    return {"model": given["model"], "input": given["prompt"]}


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
