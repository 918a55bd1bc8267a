"""`tollhouse report`."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json, print_table
from tollhouse.cli.parameters import MOMENT
from tollhouse.cli.report_terms import FORMATS, GROUPS, PERIODS, REPORTS
from tollhouse.cli.table_file import file_options, save
from tollhouse.domain.actor import SHELL
from tollhouse.domain.periods import zone

if TYPE_CHECKING:
    from tollhouse.domain.tables import Table


@click.group("report")
def command() -> None:
    """What was used, what it cost and will cost, and how long it took, as tables and files."""


def _common(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option("--by", multiple=True, type=click.Choice(GROUPS), help="What to add up by; may be repeated."),
            click.option("--since", type=MOMENT, metavar="ISO", help="From this moment on."),
            click.option("--until", type=MOMENT, metavar="ISO", help="Up to this moment, which does not count."),
            click.option("--timezone", default="UTC", show_default=True, metavar="TZ", help="Whose days are meant."),
            click.option("--team", metavar="T", help="Of this team alone, by id or name."),
            *file_options,
            json_option,
        )
    ):
        function = option(function)
    return function


@command.command()
@_common
def usage(**given: Any) -> None:
    """Requests, tokens and cost, with unit costs, what caches saved, and how many calls failed."""
    _run("usage", **given)


@command.command()
@_common
def latency(**given: Any) -> None:
    """Percentiles of how long calls took, and of how long until their first token."""
    _run("latency", **given)


@command.command()
@_common
def forecast(**given: Any) -> None:
    """What this month has cost, and will by its end if it goes on as in the last four weeks."""
    _run("forecast", **given)


@command.command()
@click.option("--factor", type=click.FloatRange(1, 1000, min_open=True), default=5.0, show_default=True,
              help="How many times the usual.")  # fmt: skip
@_common
def anomalies(factor: float, **given: Any) -> None:
    """Who cost many times as much on a day, by default today, as on their usual one of the four weeks before."""
    _run("anomalies", factor=factor, **given)


@command.command()
@click.option("--month", metavar="YYYY-MM", help="By default the month that is over.")
@_common
def chargeback(month: str | None, **given: Any) -> None:
    """What each team is to pay for a month, to the nano-dollar of the ledger, and the sum of it."""
    _run("chargeback", month=month, **given)


@command.command()
@click.argument("report", type=click.Choice(REPORTS))
@click.option("--to", "emails", multiple=True, metavar="EMAIL", help="Mail it there with a file; may be repeated.")
@click.option("--url", metavar="URL", help="Post it there as JSON, with the text that chat services show.")
@click.option("--by", multiple=True, type=click.Choice(GROUPS), help="What to add up by; may be repeated.")
@click.option("--period", type=click.Choice(PERIODS), help="Of when.")
@click.option("--timezone", default="UTC", show_default=True, metavar="TZ", help="Whose days are meant.")
@click.option("--team", metavar="T", help="Of this team alone, by id or name.")
@click.option("--format", type=click.Choice(FORMATS), default="csv", show_default=True,
              help="Of the file.")  # fmt: skip
@json_option
def send(
    report: str,
    emails: tuple[str, ...],
    url: str | None,
    by: tuple[str, ...],
    period: str | None,
    timezone: str,
    team: str | None,
    format: str,
    as_json: bool,
) -> None:
    """Run a report and send it, by mail or to a webhook."""
    from tollhouse.services.reports.subscription import subscription_from

    with administration() as services:
        fields = {
            "report": report,
            "by": by,
            "period": period,
            "team_id": services.teams.named(team).id if team else None,
            "format": format,
            "emails": emails,
            "url": url,
        }
        done = services.report_delivery.deliver(subscription_from(fields, timezone), by=SHELL)
    if as_json:
        print_json({"report": done.report, "rows": done.rows, "emails": done.emails, "posted": done.posted})
    else:
        click.echo(f"The report {done.report}, {done.rows} rows, is sent.")


def _run(
    report: str,
    *,
    by: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    timezone: str,
    team: str | None,
    as_json: bool,
    csv: Path | None,
    xlsx: Path | None,
    parquet: Path | None,
    **more: Any,
) -> None:
    from tollhouse.services.reports.reports import ReportOrder

    try:
        place = zone(timezone)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--timezone") from None
    placed = partial(_placed, place=place)
    with administration() as services:
        team_id = services.teams.named(team).id if team else None
        order = ReportOrder(report, by, placed(since), placed(until), timezone, team_id, **more)
        table = services.reports.run(order, by=SHELL)
    files = save(table, csv, xlsx, parquet)
    if as_json:
        print_json(table.documents())
    elif files:
        click.echo(f"{len(table.rows)} rows are in {' and '.join(map(str, files))}.")
    else:
        _print(table)


def _print(table: "Table") -> None:
    text = [column.name for column in table.columns if column.kind == "text"]
    print_table(table.documents(), flexible=text, empty="Nothing in this time.")


def _placed(moment: datetime | None, place: Any) -> datetime | None:
    return moment.replace(tzinfo=place) if moment is not None and moment.tzinfo is None else moment
