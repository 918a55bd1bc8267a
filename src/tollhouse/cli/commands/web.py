"""`tollhouse web`."""

import click

from tollhouse.cli.administration import make_database_apart
from tollhouse.settings import load


@click.command("web")
def command() -> None:
    """Serve the gateway's HTTP interface until asked to stop."""
    from tollhouse.web.server import serve

    settings = load()
    make_database_apart(settings)
    serve(settings)
