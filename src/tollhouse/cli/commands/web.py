"""`tollhouse web`."""

import click

from tollhouse.settings import load


@click.command("web")
def command() -> None:
    """Serve the gateway's HTTP interface until asked to stop."""
    from tollhouse.web.server import serve

    serve(load())
