"""`tollhouse providers keys`: several keys of one provider."""

import re
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, moment, print_json, print_table
from tollhouse.domain.actor import SHELL
from tollhouse.settings import variable

if TYPE_CHECKING:
    from tollhouse.services.models.provider_keys import ProviderKey

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")
_from_variable = click.option(
    "--api-key-env",
    required=True,
    metavar="VAR",
    help="The variable that has the key, in the environment or in .env. It is read now, and stored sealed.",
)


def credential_in(name: str) -> str:
    """The key that this variable has. Raises BadParameter, which never quotes it."""
    if not _VARIABLE.match(name):
        # It may be the key itself: never repeat it.
        raise click.BadParameter(
            "it takes the name of a variable, such as GROQ_API_KEY, and never a key itself.", param_hint="--api-key-env"
        )
    value = (variable(name) or "").strip()
    if not value:
        raise click.BadParameter(
            f"the variable {name} is not set: set it in the environment or in .env.", param_hint="--api-key-env"
        )
    return value


@click.group()
def keys() -> None:
    """Give a provider several keys, between which calls take turns."""


@keys.command()
@click.argument("provider")
@_from_variable
@click.option("--name", help="What to call it; by default as the variable, openai-api-key-2 for OPENAI_API_KEY_2.")
@json_option
def add(provider: str, api_key_env: str, name: str | None, as_json: bool) -> None:
    """Add a key to the PROVIDER, beside the one that it has, which is called default."""
    credential = credential_in(api_key_env)
    with administration() as services:
        key = services.provider_keys.add(
            provider, name or api_key_env.lower().replace("_", "-").strip("-"), credential, by=SHELL
        )
    if as_json:
        print_json(_shown(key))
    else:
        click.echo(f"The provider {key.provider} has the key {key.name}, too. Try it: `tollhouse providers check`.")


@keys.command()
@click.argument("provider")
@click.argument("name")
@_from_variable
@json_option
def renew(provider: str, name: str, api_key_env: str, as_json: bool) -> None:
    """Put another secret in the place of the key NAME of the PROVIDER."""
    credential = credential_in(api_key_env)
    with administration() as services:
        key = services.provider_keys.renew(provider, name, credential, by=SHELL)
    if as_json:
        print_json(_shown(key))
    else:
        click.echo(f"The key {key.name} of the provider {key.provider} is renewed.")


@keys.command("list")
@click.argument("provider")
@json_option
def list_(provider: str, as_json: bool) -> None:
    """List the keys of the PROVIDER, never the keys themselves."""
    with administration() as services:
        known = services.provider_keys.all(provider, by=SHELL)
    if as_json:
        print_json([_shown(key) for key in known])
    else:
        print_table(
            [{"name": key.name, "created": moment(key.created_at)} for key in known],
            empty=f"No keys yet: `tollhouse providers keys add {provider} --name default --api-key-env VAR` adds one.",
        )


@keys.command()
@click.argument("provider")
@click.argument("name")
@json_option
def remove(provider: str, name: str, as_json: bool) -> None:
    """Remove the key NAME of the PROVIDER. The default one goes last."""
    with administration() as services:
        services.provider_keys.remove(provider, name, by=SHELL)
    if as_json:
        print_json({"provider": provider, "name": name, "removed": True})
    else:
        click.echo(f"The key {name} of the provider {provider} is removed.")


def _shown(key: "ProviderKey") -> dict[str, Any]:
    return {"provider": key.provider, "name": key.name, "created_at": moment(key.created_at)}
