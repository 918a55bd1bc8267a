"""`tollhouse settings`."""

import click

from tollhouse.cli.output import json_option, print_json, print_table
from tollhouse.settings import describe, load


@click.command("settings")
@json_option
def command(as_json: bool) -> None:
    """Show every setting with its value, its default and what it is for. Secrets are masked."""
    rows = describe(load())
    if as_json:
        print_json(rows)
    else:
        print_table(rows, flexible=("doc", "value", "default"))
