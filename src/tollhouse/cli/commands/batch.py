"""`tollhouse batch`."""

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from tollhouse.cli.batch_progress import ENDED, BatchProgress
from tollhouse.cli.errors import FAILED
from tollhouse.cli.gateway_client import KEY_VARIABLE, GatewayClient, base_url_of, key_from
from tollhouse.cli.output import json_option, print_json
from tollhouse.cli.text import columns, cut, printable
from tollhouse.domain.errors import InvalidField
from tollhouse.settings import load

POLL_SECONDS = 1.0
SHOWN_ERRORS = 10
_LONGEST_FIRST_LINE = 64 * 1024 * 1024

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _of_gateway(command: _Command) -> _Command:
    """The options that say which gateway, and with which key."""
    for option in (
        json_option,
        click.option(
            "--api-key-env",
            metavar="VAR",
            default=KEY_VARIABLE,
            show_default=True,
            help="The variable that has the API key.",
        ),
        click.option("--base-url", metavar="URL", help="Where the gateway is; by default on this machine."),
    ):
        command = option(command)
    return command


@click.group("batch")
def command() -> None:
    """Work off files of calls through the running gateway."""


@command.command("submit")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--endpoint", metavar="PATH", help="By default the `url` of the file's first line.")
@click.option(
    "--window", metavar="TIME", default="24h", show_default=True, help="30m, 6h, 7d: after it, no more calls."
)
@click.option(
    "--provider-batch",
    type=click.Choice(["auto", "always", "never"]),
    help="Whether it goes to its provider's own batches: where that is cheaper, or in any case. By default as the "
    "gateway is set.",
)
@click.option("--watch", is_flag=True, help="Wait for its end, and show how it gets on.")
@_of_gateway
def submit(
    file: Path,
    endpoint: str | None,
    window: str,
    provider_batch: str | None,
    watch: bool,
    base_url: str | None,
    api_key_env: str,
    as_json: bool,
) -> None:
    """Upload FILE, JSON Lines in OpenAI's shape, and begin a batch of it."""
    endpoint = endpoint or _endpoint_of(file)
    with _client(base_url, api_key_env) as client:
        batch = client.submit_batch(file, endpoint, window, provider_batch)
        _tell(_watched(client, batch) if watch else batch, as_json=as_json, ends=watch)


@command.command("status")
@click.argument("id")
@click.option("--watch", is_flag=True, help="Wait for its end, and show how it gets on.")
@_of_gateway
def status(id: str, watch: bool, base_url: str | None, api_key_env: str, as_json: bool) -> None:
    """Show how the batch ID gets on."""
    with _client(base_url, api_key_env) as client:
        batch = client.batch(id)
        _tell(_watched(client, batch) if watch else batch, as_json=as_json, ends=watch)


@command.command("cancel")
@click.argument("id")
@_of_gateway
def cancel(id: str, base_url: str | None, api_key_env: str, as_json: bool) -> None:
    """Call no more lines of the batch ID; what is under way ends."""
    with _client(base_url, api_key_env) as client:
        _tell(client.cancel_batch(id), as_json=as_json, ends=False)


def _client(base_url: str | None, api_key_env: str) -> "contextlib.closing[GatewayClient]":
    key = key_from(api_key_env)
    return contextlib.closing(GatewayClient(base_url_of(base_url, load()), key))


def _endpoint_of(file: Path) -> str:
    from tollhouse.wire import json_text

    with file.open("rb") as lines:
        first = json_text.read_leniently(lines.readline(_LONGEST_FIRST_LINE).removeprefix(b"\xef\xbb\xbf"))
    url = first.get("url") if isinstance(first, dict) else None
    if not isinstance(url, str):
        raise InvalidField("file: its first line has no `url`; say --endpoint.", param="file")
    return url


def _watched(client: GatewayClient, batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The batch when it has ended. How it gets on goes to standard error: over itself on a terminal."""
    progress, over_itself = BatchProgress(), sys.stderr.isatty()
    said, width = "", 0
    while True:
        line = printable(progress.line(batch, time.monotonic()))
        if over_itself:
            shown = cut(line, shutil.get_terminal_size().columns - 1)
            click.echo("\r" + shown + " " * max(0, width - columns(shown)), nl=False, err=True)
            width = columns(shown)
        elif line != said:
            click.echo(line, err=True)
        said = line
        if batch["status"] in ENDED:
            if over_itself:
                click.echo(err=True)
            return batch
        time.sleep(POLL_SECONDS)
        batch = client.batch(batch["id"])


def _tell(batch: Mapping[str, Any], *, as_json: bool, ends: bool) -> None:
    """The batch; the exit code says whether it has come to a good end, where that was waited for."""
    if as_json:
        print_json(batch)
    else:
        click.echo(f"{batch['id']}  {printable(BatchProgress().line(batch, time.monotonic()))}")
        for handed in batch.get("provider_batches") or ():
            click.echo(
                printable(
                    f"at {handed['provider']}: {handed['lines']} lines, {handed['status']} ({handed['id'] or '-'})"
                )
            )
        for name in ("output", "error"):
            if batch.get(f"{name}_file_id"):
                click.echo(f"{name}: {batch[f'{name}_file_id']}")
        _tell_errors((batch.get("errors") or {}).get("data") or [])
    if ends and batch["status"] != "completed":
        click.get_current_context().exit(FAILED)


def _tell_errors(errors: list[Mapping[str, Any]]) -> None:
    for error in errors[:SHOWN_ERRORS]:
        where = f"line {error['line']}: " if error.get("line") else ""
        click.echo(f"{where}{printable(error['message'])}", err=True)
    if len(errors) > SHOWN_ERRORS:
        click.echo(f"and {len(errors) - SHOWN_ERRORS} more", err=True)
