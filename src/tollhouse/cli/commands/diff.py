"""`tollhouse diff`."""

from pathlib import Path

import click

from tollhouse.cli.commands import apply


@click.command("diff")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
@click.pass_context
def command(context: click.Context, file: Path, as_json: bool) -> None:
    """Show what `apply` would change: the same as its --dry-run."""
    context.invoke(apply.command, file=file, dry_run=True, as_json=as_json)
