"""`tollhouse models cache`."""

from typing import Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json
from tollhouse.domain.actor import SHELL

OFF = "default"


class SecondsOrDefault(click.ParamType[Any]):
    """A number of seconds, or `default`."""

    name = "seconds|default"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == OFF else click.INT.convert(value, param, ctx)


@click.command()
@click.argument("name")
@click.argument("seconds", type=SecondsOrDefault(), required=False)
@json_option
def cache(name: str, seconds: int | str | None, as_json: bool) -> None:
    """Show for how long replies of the model NAME are kept to be given again, or change it.

    0 is never; `default` is where a call asks for it, by `cache-control: max-age=…`.
    """
    with administration() as services:
        if seconds is None:
            model = services.models.get(name, by=SHELL)
        else:
            model = services.models.change(name, {"cache_seconds": None if seconds == OFF else seconds}, by=SHELL)
    kept = model.cache_seconds
    if as_json:
        print_json({"name": model.name, "cache_seconds": kept})
    elif kept is None:
        click.echo(f"Replies of {model.name} are kept where a call asks for it.")
    else:
        click.echo(f"Replies of {model.name} are {f'kept for {kept} s' if kept else 'never kept'}.")
