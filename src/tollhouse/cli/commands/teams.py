"""`tollhouse teams`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.domain.actor import SHELL
from tollhouse.domain.page import every
from tollhouse.domain.rights import Role

if TYPE_CHECKING:
    from tollhouse.services.people.teams import Member, Team


@click.group("teams")
def command() -> None:
    """Make, list and archive teams, and say who is in them.

    TEAM is an id or a name, USER an id or an e-mail address.
    """


@command.command()
@click.argument("name")
@json_option
def create(name: str, as_json: bool) -> None:
    """Make a team."""
    with administration() as services:
        team = services.teams.create(name, by=SHELL)
    if as_json:
        print_json(_shown(team))
    else:
        click.echo(f"The team {team.name} is {team.id}.")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all teams."""
    with administration() as services:
        teams = [*every(lambda limit, after: services.teams.page(limit, after, by=SHELL))]
    if as_json:
        print_json([_shown(team) for team in teams])
        return
    rows = [
        {
            "id": team.id,
            "name": team.name,
            "created": minute(team.created_at),
            "archived": team.archived_at and minute(team.archived_at),
        }
        for team in teams
    ]
    print_table(rows, flexible=("name",))


@command.command()
@click.argument("team")
@click.option("--undo", is_flag=True, help="Take it back.")
@json_option
def archive(team: str, undo: bool, as_json: bool) -> None:
    """End a team: its keys end within a second, and its history stays."""
    with administration() as services:
        changed = services.teams.change(services.teams.named(team).id, archived=not undo, by=SHELL)
    if as_json:
        print_json(_shown(changed))
    else:
        click.echo(f"The team {changed.name} is {'archived' if changed.archived_at else 'back'}.")


@command.command()
@click.argument("team")
@click.option("--days", type=click.IntRange(1, 3650), help="Keep it for so many days.")
@click.option("--off", is_flag=True, help="Keep nothing any more, and delete what was kept.")
@json_option
def payloads(team: str, days: int | None, off: bool, as_json: bool) -> None:
    """Say whether what a team asks and is answered is kept, sealed, beside its requests.

    `tollhouse requests show` shows it. It is deleted within an hour after its days are over.
    """
    if off == (days is not None):
        raise click.UsageError("Give one of --days and --off.")
    with administration() as services:
        changed = services.teams.change(services.teams.named(team).id, payload_days=days or 0, by=SHELL)
    if as_json:
        print_json(_shown(changed))
    elif changed.payload_days:
        click.echo(f"What the team {changed.name} asks and is answered is kept for {changed.payload_days} days.")
    else:
        click.echo(f"What the team {changed.name} asks and is answered is not kept, and what was is deleted.")


@command.command()
@click.argument("team")
@json_option
def members(team: str, as_json: bool) -> None:
    """List who has a role in a team."""
    with administration() as services:
        team_id = services.teams.named(team).id
        found = [*every(lambda limit, after: services.teams.members(team_id, limit, after, by=SHELL))]
    if as_json:
        print_json([_member(member) for member in found])
        return
    rows = [{"user": one.user_id, "email": one.email, "role": one.role, "since": minute(one.since)} for one in found]
    print_table(rows, flexible=("email",), empty="Nobody yet: `tollhouse teams add` adds somebody.")


@command.command()
@click.argument("team")
@click.argument("user")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="The role in the team.")
@json_option
def add(team: str, user: str, role: str, as_json: bool) -> None:
    """Give somebody a role in a team, instead of what they had there."""
    with administration() as services:
        team_id, user_id = services.teams.named(team).id, services.users.named(user).id
        member = services.teams.set_member(team_id, user_id, Role(role), by=SHELL)
    if as_json:
        print_json(_member(member))
    else:
        click.echo(f"{member.email} is {member.role} there.")


@command.command()
@click.argument("team")
@click.argument("user")
@json_option
def remove(team: str, user: str, as_json: bool) -> None:
    """Take somebody out of a team. Their keys in it end within a second."""
    with administration() as services:
        team_id, user_id = services.teams.named(team).id, services.users.named(user).id
        services.teams.remove_member(team_id, user_id, by=SHELL)
    if as_json:
        print_json({"team_id": team_id, "user_id": user_id, "removed": True})
    else:
        click.echo(f"{user} is out.")


def _shown(team: "Team") -> dict[str, Any]:
    return {
        "id": team.id,
        "name": team.name,
        "created_at": moment(team.created_at),
        "archived_at": moment(team.archived_at),
        "payload_days": team.payload_days,
    }


def _member(member: "Member") -> dict[str, Any]:
    return {
        "user_id": member.user_id,
        "email": member.email,
        "role": member.role,
        "since": moment(member.since),
    }
