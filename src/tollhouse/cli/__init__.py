"""The command line: thin callers of services, and clients of the running gateway.

A file of `commands/` that has a `command` is one, under the file's name; it imports what it needs
when it runs, so that `--help` is quick.
"""

import importlib
import os
import pkgutil
import sys
from typing import Any

import click

from tollhouse import __version__
from tollhouse.cli import commands
from tollhouse.cli.errors import in_one_sentence


class Program(click.Group):
    """The commands, found by themselves; whatever they raise ends in one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        found: click.Command = importlib.import_module(f"{commands.__name__}.{cmd_name}").command
        return found

    def invoke(self, ctx: click.Context) -> Any:
        with in_one_sentence():
            return super().invoke(ctx)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tollhouse", message="%(prog)s %(version)s")
def program() -> None:
    """A self-hosted gateway to language models."""


def main() -> None:
    """The console script. Ends the process: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            # A terminal that cannot show a name shows its code points; that is no reason to fail.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        program.main(prog_name="tollhouse")
    finally:
        _abandon_unwritten_output()


def _abandon_unwritten_output() -> None:
    """That it could not be written was reported; Python would try once more at its end, and change the exit code."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
