"""`tollhouse providers`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.errors import FAILED
from tollhouse.cli.output import json_option, moment, print_json, print_table
from tollhouse.cli.provider_keys import credential_in, keys
from tollhouse.domain.actor import SHELL

if TYPE_CHECKING:
    from tollhouse.services.models.providers import Provider


@click.group("providers")
def command() -> None:
    """Add, list and check the hosts that calls go to."""


command.add_command(keys)


@command.command()
@click.argument("name")
@click.option(
    "--format",
    "preset",
    required=True,
    metavar="FORMAT",
    help="What the host speaks, openai or anthropic, or the name of a preset, such as azure or vllm.",
)
@click.option("--base-url", required=True, help="Where it is, with the version: https://api.example.com/v1.")
@click.option(
    "--api-key-env",
    metavar="VAR",
    help="The variable that has the host's key, in the environment or in .env. It is read now, and stored sealed.",
)
@click.option("--allow-private", is_flag=True, help="Allow an address inside the network of this machine.")
@json_option
def add(name: str, preset: str, base_url: str, api_key_env: str | None, allow_private: bool, as_json: bool) -> None:
    """Add a provider, effective in all processes within a second."""
    credential = None if api_key_env is None else credential_in(api_key_env)
    with administration() as services:
        provider = services.providers.add(
            name, preset, base_url, credential=credential, allow_private=allow_private, by=SHELL
        )
    if as_json:
        print_json(_shown(provider))
        return
    click.echo(f"The provider {provider.name} is there. Next: `tollhouse models add MODEL --provider {provider.name}`.")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all providers, by name."""
    with administration() as services:
        providers = services.providers.all()
    if as_json:
        print_json([_shown(one) for one in providers])
        return
    rows = [
        {
            "name": one.name,
            "format": one.preset,
            "base url": one.base_url,
            "has key": one.has_credential,
            "allow private": one.allow_private,
        }
        for one in providers
    ]
    print_table(
        rows,
        flexible=("base url",),
        empty="No providers yet: `tollhouse providers add NAME --format openai --base-url URL` adds one.",
    )


@command.command()
@click.argument("name", required=False)
@json_option
@click.pass_context
def check(ctx: click.Context, name: str | None, as_json: bool) -> None:
    """Ask NAME, or all providers, for their models. Fails when one does not answer."""
    with administration() as services:
        checks = services.providers.check(name, by=SHELL)
    if as_json:
        print_json(
            [
                {
                    "name": one.name,
                    "ok": one.ok,
                    "milliseconds": one.milliseconds,
                    "models": list(one.models),
                    "problem": one.problem,
                }
                for one in checks
            ]
        )
    else:
        rows = [
            {"name": one.name, "ok": one.ok, "ms": one.milliseconds, "models": len(one.models), "problem": one.problem}
            for one in checks
        ]
        print_table(rows, empty="No providers yet: `tollhouse providers add` adds one.")
    if not all(one.ok for one in checks):
        ctx.exit(FAILED)


@command.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove the provider NAME and its credential. Its models go first; reports keep it."""
    with administration() as services:
        services.providers.remove(name, by=SHELL)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        click.echo(f"The provider {name} is removed.")


def _shown(provider: "Provider") -> dict[str, Any]:
    return {
        "id": provider.id,
        "name": provider.name,
        "format": provider.preset,
        "base_url": provider.base_url,
        "has_key": provider.has_credential,
        "allow_private": provider.allow_private,
        "created_at": moment(provider.created_at),
    }
