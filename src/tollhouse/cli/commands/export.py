"""`tollhouse export`."""

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.declaration_file import write_declaration
from tollhouse.cli.output import json_option, print_json


@click.command("export")
@json_option
def command(as_json: bool) -> None:
    """Print the TOML file that would make the providers, models, teams, budgets, limits and webhooks that are there.

    It has no secrets."""
    with administration() as services:
        document = services.declaration.export()
    if as_json:
        print_json(document)
    else:
        click.echo(write_declaration(document), nl=False)
