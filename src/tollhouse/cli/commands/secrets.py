"""`tollhouse secrets`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.domain.actor import SHELL

if TYPE_CHECKING:
    from tollhouse.services.keys.server_secrets import Resealed, ServerSecret


@click.group("secrets")
def command() -> None:
    """Change the server's secret without ending what was made with it."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the secrets that this database was used with, newest first; never the secrets themselves."""
    with administration() as services:
        found = services.secrets.all()
    if as_json:
        print_json([_shown(one) for one in found])
        return
    rows = [{"id": one.id, "since": minute(one.known_since), "state": _state(one)} for one in found]
    print_table(rows, empty="No secret was used yet.")


@command.command()
@json_option
def rotate(as_json: bool) -> None:
    """Make a new secret and seal all provider keys anew with it. Nothing ends; the old one is still good."""
    with administration() as services:
        done = services.secrets.rotate(by=SHELL)
    _say(
        as_json,
        done,
        "A new secret is in use. What was made with the old one is still good: `tollhouse secrets forget` ends that.",
    )


@command.command()
@json_option
def reseal(as_json: bool) -> None:
    """Seal with the newest secret what is sealed with another: after TOLLHOUSE_SECRET_KEY was changed, or after a
    rotation that was cut short.
    """
    with administration() as services:
        done = services.secrets.reseal()
    _say(as_json, done, "All is sealed with the newest secret.")


@command.command()
@json_option
def forget(as_json: bool) -> None:
    """End the old secrets: people sign in again, links that were mailed are void. API keys stay good."""
    with administration() as services:
        given = services.settings.previous_secret_keys
        done = services.secrets.forget(by=SHELL)
    told = "The newest secret is the only one."
    if given:
        told = "Take TOLLHOUSE_PREVIOUS_SECRET_KEYS away on every host and restart it: then the old ones have ended."
    _say(as_json, done, told)


def _say(as_json: bool, done: "Resealed", told: str) -> None:
    if as_json:
        print_json({"resealed": done.rows, "unreadable": done.unreadable})
        return
    click.echo(told)
    if done.rows:
        click.echo(f"{done.rows} sealed values were sealed anew.")
    if done.unreadable:
        click.echo(f"{done.unreadable} sealed values open with no secret at hand: set those provider keys anew.")


def _shown(one: "ServerSecret") -> dict[str, Any]:
    return {
        "id": one.id,
        "known_since": moment(one.known_since),
        "state": _state(one),
        "forgotten_at": moment(one.forgotten_at),
    }


def _state(one: "ServerSecret") -> str:
    if one.newest:
        return "newest"
    if one.forgotten_at:
        return "forgotten"
    return "good" if one.at_hand else "not at hand"
