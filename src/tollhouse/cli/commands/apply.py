"""`tollhouse apply`."""

from pathlib import Path

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.declaration_file import read_declaration, shown, told
from tollhouse.cli.output import json_option, print_json
from tollhouse.domain.actor import SHELL


@click.command("apply")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@json_option
def command(file: Path, dry_run: bool, as_json: bool) -> None:
    """Make providers, models, teams, budgets, limits and webhooks as the TOML file says: all of it or nothing.

    What the file does not name stays as it is. `tollhouse export` writes such a file.
    """
    document = read_declaration(file)
    with administration() as services:
        changes = services.declaration.apply(document, dry_run=dry_run, by=SHELL)
    if as_json:
        print_json([shown(change) for change in changes])
        return
    for change in changes:
        click.echo(told(change))
    done = "would change; nothing was changed" if dry_run else "changed"
    click.echo(f"{len(changes)} {done}." if changes else "Everything is as the file says.")
    if not dry_run and any(change.section == "webhooks" and change.before is None for change in changes):
        click.echo("`tollhouse webhooks rotate ID` shows a secret of a new webhook, `tollhouse webhooks list` its id.")
