"""`tollhouse web`."""

import click

from tollhouse.cli.administration import make_database_apart
from tollhouse.settings import load


@click.command("web")
@click.option(
    "--reload",
    "reloads",
    is_flag=True,
    help="Replace the processes that serve this home and port, without failing a request, and end.",
)
def command(reloads: bool) -> None:
    """Serve the gateway's HTTP interface until asked to stop."""
    from tollhouse.web.server import reload, serve

    settings = load()
    if reloads:
        click.echo(f"The web processes under {reload(settings)} are replaced; open requests are answered first.")
        return
    make_database_apart(settings)
    serve(settings)
