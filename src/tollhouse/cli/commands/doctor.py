"""`tollhouse doctor`."""

import contextlib
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tollhouse.cli.administration import administration, make_database
from tollhouse.cli.errors import FAILED, Failure, in_one_sentence
from tollhouse.cli.output import json_option, print_json
from tollhouse.cli.text import printable

if TYPE_CHECKING:
    from tollhouse.services.troubles.health import Finding


@click.command("doctor")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Find out what is wrong on this machine, and what to do about it."""
    findings = _examine()
    if as_json:
        print_json([{**asdict(one), "advice": "" if one.ok else one.advice} for one in findings])
    else:
        _print(findings)
    if not all(one.ok for one in findings):
        ctx.exit(FAILED)


def _examine() -> "list[Finding]":
    from tollhouse.services.troubles.health import Finding

    try:
        with in_one_sentence(), administration(migrate=False) as services:
            # Findings say it all; log lines among them would not help.
            logging.disable()
            if services.settings.embedded_database:
                # Where it cannot be made, the checks say why.
                with contextlib.suppress(Failure), in_one_sentence():
                    make_database(services)
            return services.health.examine()
    except Failure as error:
        # What keeps the checks from being made at all is a finding too.
        return [Finding("start", False, "the checks cannot be made", error.message)]
    finally:
        logging.disable(logging.NOTSET)


def _print(findings: "list[Finding]") -> None:
    width = max(len(one.name) for one in findings)
    for one in findings:
        click.echo(f"{'ok ' if one.ok else 'BAD'}  {printable(one.name):<{width}}  {printable(one.detail)}")
        if not one.ok:
            click.echo(f"     {'':<{width}}  -> {printable(one.advice)}")
    bad = sum(not one.ok for one in findings)
    click.echo(f"\n{bad} of {len(findings)} checks failed." if bad else "\nAll is well.")
