"""`tollhouse users`."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.domain.actor import SHELL
from tollhouse.domain.page import every
from tollhouse.domain.rights import Role

if TYPE_CHECKING:
    from tollhouse.services.people.invitations import Invitation
    from tollhouse.services.people.users import User

ROLE = click.Choice([role.value for role in Role])
password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input; else one is made up and printed."
)


@click.group("users")
def command() -> None:
    """Make, list, disable and help people who sign in."""


@command.command()
@click.argument("email")
@click.option("--role", type=ROLE, help="The role in the team, or without one in the organisation.")
@click.option("--team", metavar="T", help="The team, by id or name.")
@password_option
@json_option
def create(email: str, role: str | None, team: str | None, password_stdin: bool, as_json: bool) -> None:
    """Make somebody who can sign in."""
    if team and not role:
        raise click.UsageError("--team needs a --role.")
    with administration() as services:
        team_id = services.teams.named(team).id if team else None
        given = Role(role) if role else None
        made = services.users.create(email, _password(password_stdin), role=given, team_id=team_id, by=SHELL)
    if as_json:
        print_json({**_shown(made.user), "password": made.password})
        return
    click.echo(f"{made.user.email} can sign in, as {made.user.id}.")
    _print_password(made.password)


@command.command()
@click.argument("email")
@click.option("--role", type=ROLE, required=True, help="The role in the team, or without one in the organisation.")
@click.option("--team", metavar="T", help="The team, by id or name.")
@json_option
def invite(email: str, role: str, team: str | None, as_json: bool) -> None:
    """Mail somebody a link with which they come in. Without a mail server it is printed to standard error."""
    with administration() as services:
        team_id = services.teams.named(team).id if team else None
        invitation = services.invitations.invite(email, Role(role), team_id, by=SHELL)
    if as_json:
        print_json(_invitation(invitation))
    else:
        click.echo(f"{invitation.email} is invited until {minute(invitation.expires_at)} UTC.")


@command.command()
@click.option("--team", metavar="T", help="To this team alone, by id or name.")
@json_option
def invitations(team: str | None, as_json: bool) -> None:
    """List the invitations that nobody has accepted yet, oldest first."""
    with administration() as services:
        team_id = services.teams.named(team).id if team else None
        page = services.invitations.page
        found = [*every(lambda limit, after: page(limit, after, team_id=team_id, by=SHELL))]
    if as_json:
        print_json([_invitation(one) for one in found])
        return
    rows = [
        {
            "id": one.id,
            "email": one.email,
            "role": one.role,
            "team": one.team_id,
            "by": one.invited_by,
            "until": minute(one.expires_at),
        }
        for one in found
    ]
    print_table(rows, flexible=("email",), empty="Nobody is invited: `tollhouse users invite EMAIL` invites somebody.")


@command.command()
@click.argument("id")
@json_option
def uninvite(id: str, as_json: bool) -> None:
    """Withdraw the invitation ID, which `users invitations` shows: its link is good for nothing from now on."""
    with administration() as services:
        services.invitations.withdraw(id, by=SHELL)
    if as_json:
        print_json({"id": id, "withdrawn": True})
    else:
        click.echo(f"The invitation {id} is withdrawn.")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all people, oldest first."""
    with administration() as services:
        users = [*every(lambda limit, after: services.users.page(limit, after, by=SHELL))]
    if as_json:
        print_json([_shown(user) for user in users])
        return
    rows = [
        {
            "id": user.id,
            "email": user.email,
            "role": user.role,
            "teams": ", ".join(f"{team} ({role})" for team, role in user.teams.items()),
            "created": minute(user.created_at),
            "disabled": user.disabled_at and minute(user.disabled_at),
        }
        for user in users
    ]
    print_table(rows, flexible=("email", "teams"), empty="Nobody yet: `tollhouse users create EMAIL` makes somebody.")


@command.command()
@click.argument("user")
@json_option
def disable(user: str, as_json: bool) -> None:
    """Keep somebody out, with their keys and tokens, within a second. USER is an id or an e-mail address."""
    _set_disabled(user, True, as_json)


@command.command()
@click.argument("user")
@json_option
def enable(user: str, as_json: bool) -> None:
    """Let somebody in again who was disabled."""
    _set_disabled(user, False, as_json)


@command.command("set-role")
@click.argument("user")
@click.argument("role", type=click.Choice([*(role.value for role in Role), "none"]))
@json_option
def set_role(user: str, role: str, as_json: bool) -> None:
    """Give somebody this role in the organisation, or none."""
    with administration() as services:
        given = None if role == "none" else Role(role)
        changed = services.users.set_role(services.users.named(user).id, given, by=SHELL)
    if as_json:
        print_json(_shown(changed))
    else:
        click.echo(f"{changed.email} is {changed.role or 'nothing'} in the organisation.")


@command.command("reset-password")
@click.argument("user")
@password_option
@json_option
def reset_password(user: str, password_stdin: bool, as_json: bool) -> None:
    """Give somebody a new password, which ends all that was issued to them. USER is an id or an e-mail address."""
    with administration() as services:
        found = services.users.named(user)
        password = services.users.set_password(found.id, _password(password_stdin), by=SHELL)
    if as_json:
        print_json({"id": found.id, "email": found.email, "password": password})
        return
    click.echo(f"{found.email} has a new password.")
    _print_password(password)


@command.command()
@click.argument("user")
@json_option
def unlink(user: str, as_json: bool) -> None:
    """Forget who somebody is at an issuer: the next with their e-mail address there is taken to be them."""
    with administration() as services:
        found = services.users.named(user)
        services.users.unlink(found.id, by=SHELL)
    if as_json:
        print_json(_shown(found))
    else:
        click.echo(f"{found.email} is linked to nobody at an issuer.")


@command.command()
@click.argument("user")
@click.option("--json", is_flag=True, expose_value=False, help="Print JSON, and nothing else, as it does anyway.")
def export(user: str) -> None:
    """Print all that is known of somebody, as JSON. USER is an id or an e-mail address."""
    with administration() as services:
        data = services.personal_data.export(services.users.named(user).id, by=SHELL)
    print_json(asdict(data))


@command.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(user: str, yes: bool, as_json: bool) -> None:
    """Forget somebody, with their keys and tokens, within a second. What they used stays, under an id of nobody."""
    with administration() as services:
        found = services.users.named(user)
        if not yes:
            click.confirm(f"Forget {found.email}? This cannot be undone.", abort=True, err=True)
        services.personal_data.delete(found.id, by=SHELL)
    if as_json:
        print_json({"id": found.id})
    else:
        click.echo(f"{found.id} is nobody any more.")


def _set_disabled(name: str, disabled: bool, as_json: bool) -> None:
    with administration() as services:
        user = services.users.set_disabled(services.users.named(name).id, disabled, by=SHELL)
    if as_json:
        print_json(_shown(user))
    else:
        click.echo(f"{user.email} is {'kept out' if disabled else 'in again'}.")


def _password(from_stdin: bool) -> str:
    if not from_stdin:
        return ""
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise click.UsageError("Standard input has no password.")
    return given


def _print_password(password: str | None) -> None:
    if password is not None:
        click.echo(f"\n{password}\n\nThis is the password; it is shown this once.")


def _shown(user: "User") -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "role": user.role,
        "teams": user.teams,
        "created_at": moment(user.created_at),
        "disabled_at": moment(user.disabled_at),
    }


def _invitation(invitation: "Invitation") -> dict[str, Any]:
    return {
        "id": invitation.id,
        "email": invitation.email,
        "role": invitation.role,
        "team_id": invitation.team_id,
        "invited_by": invitation.invited_by,
        "created_at": moment(invitation.created_at),
        "expires_at": moment(invitation.expires_at),
    }
