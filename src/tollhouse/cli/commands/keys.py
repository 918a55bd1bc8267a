"""`tollhouse keys`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.cli.parameters import MOMENT

if TYPE_CHECKING:
    from tollhouse.services.keys import ApiKey


@click.group("keys")
def command() -> None:
    """Make, list, revoke and rotate API keys."""


@command.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option("--model", "models", multiple=True, help="A model that the key may use; without any, all of them.")
@click.option("--expires", type=MOMENT, help="When the key ends; UTC unless it says otherwise.")
@json_option
def create(name: str, models: tuple[str, ...], expires: datetime | None, as_json: bool) -> None:
    """Make a key. It is shown this once."""
    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    with administration() as services:
        _print_secret(services.keys.create(name, models=models, expires_at=expires), as_json)


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
        key = services.keys.revoke(id)
    if as_json:
        print_json(_shown(key))
    else:
        click.echo(f"The key {key.id} is revoked.")


@command.command()
@click.argument("id")
@json_option
def rotate(id: str, as_json: bool) -> None:
    """Give a key a new secret, shown this once; the old one ends now."""
    with administration() as services:
        _print_secret(services.keys.rotate(id), as_json)


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
        "models": None if key.models is None else list(key.models),
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at),
        "revoked_at": moment(key.revoked_at),
    }


def _state(key: "ApiKey") -> str:
    if key.revoked_at:
        return f"revoked {minute(key.revoked_at)}"
    if key.expires_at is None:
        return "good"
    ended = key.expires_at <= datetime.now(UTC)
    return f"{'expired' if ended else 'good until'} {minute(key.expires_at)}"
