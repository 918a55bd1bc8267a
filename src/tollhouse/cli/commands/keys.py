"""`tollhouse keys`."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.cli.parameters import DURATION, MOMENT
from tollhouse.domain.actor import SHELL
from tollhouse.domain.principal import DEFAULT_TEAM

if TYPE_CHECKING:
    from tollhouse.services.keys.keys import ApiKey


@click.group("keys")
def command() -> None:
    """Make, list, revoke and rotate API keys."""


@command.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option("--model", "models", multiple=True, help="A model that the key may use; without any, all of them.")
@click.option("--team", metavar="T", help="Whose it is, by id or name; by default the default team.")
@click.option("--user", metavar="U", help="The person in that team whose it is, by id or e-mail; it ends with them.")
@click.option("--path", "paths", multiple=True, help="A path that it may call, with all below; without any, all.")
@click.option("--network", "networks", multiple=True, help="A network that it may be used from; without any, all.")
@click.option("--tag", "tags", multiple=True, help="A tag of each of its calls.")
@click.option("--priority", help="interactive, or batch: its calls are the first to be refused when there is no room.")
@click.option("--expires", type=MOMENT, help="When the key ends; UTC unless it says otherwise.")
@json_option
def create(
    name: str,
    models: tuple[str, ...],
    team: str | None,
    user: str | None,
    paths: tuple[str, ...],
    networks: tuple[str, ...],
    tags: tuple[str, ...],
    priority: str | None,
    expires: datetime | None,
    as_json: bool,
) -> None:
    """Make a key. It is shown this once."""
    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    with administration() as services:
        key = services.keys.create(
            name,
            models=models,
            expires_at=expires,
            team_id=services.teams.named(team).id if team else DEFAULT_TEAM,
            user_id=services.users.named(user).id if user else None,
            paths=paths,
            networks=networks,
            tags=tags,
            priority=priority,
            by=SHELL,
        )
        _print_secret(key, as_json)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all keys, oldest first, those that have ended too."""
    with administration() as services:
        keys = services.keys.all()
    if as_json:
        print_json([_shown(key) for key in keys])
        return
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "ends in": f"…{key.hint}",
            "models": "all" if key.models is None else ", ".join(key.models),
            "team": key.team_id,
            "user": key.user_id,
            "created": minute(key.created_at),
            "state": _state(key),
        }
        for key in keys
    ]
    print_table(rows, flexible=("name", "models"), empty="No keys yet: `tollhouse keys create --name NAME` makes one.")


@command.command()
@click.argument("id")
@json_option
def revoke(id: str, as_json: bool) -> None:
    """End a key, in all processes within a second."""
    with administration() as services:
        key = services.keys.revoke(id, by=SHELL)
    if as_json:
        print_json(_shown(key))
    else:
        click.echo(f"The key {key.id} is revoked.")


@command.command()
@click.argument("id")
@click.option("--overlap", type=DURATION, default="0s", help="How long the old one stays good, as 30m, 12h or 7d.")
@json_option
def rotate(id: str, overlap: timedelta, as_json: bool) -> None:
    """Give a key a new secret, shown this once; the old one ends now, or after the overlap."""
    with administration() as services:
        _print_secret(services.keys.rotate(id, overlap=overlap, by=SHELL), as_json)


def _print_secret(key: "ApiKey", as_json: bool) -> None:
    if as_json:
        print_json({**_shown(key), "key": key.key})
        return
    click.echo(f"{key.key}\n")
    click.echo(f"This is the key {key.id}; it is shown this once.")


def _shown(key: "ApiKey") -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "team_id": key.team_id,
        "user_id": key.user_id,
        "models": None if key.models is None else list(key.models),
        "paths": None if key.paths is None else list(key.paths),
        "networks": None if key.networks is None else list(key.networks),
        "tags": list(key.tags),
        "priority": key.priority,
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at),
        "revoked_at": moment(key.revoked_at),
        "previous_until": moment(key.previous_until),
    }


def _state(key: "ApiKey") -> str:
    if key.revoked_at:
        return f"revoked {minute(key.revoked_at)}"
    if key.expires_at is None:
        return "good"
    ended = key.expires_at <= datetime.now(UTC)
    return f"{'expired' if ended else 'good until'} {minute(key.expires_at)}"
