"""`tollhouse usage`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json, print_table, usd
from tollhouse.cli.parameters import MOMENT
from tollhouse.cli.table_file import file_options, save
from tollhouse.domain.periods import zone

if TYPE_CHECKING:
    from tollhouse.domain.tables import Table
    from tollhouse.services.reports.usage_sums import UsageSums

GROUPS = ("key", "user", "team", "model", "provider", "tag", "day", "hour", "month", "end_user")


def _into_files(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(file_options):
        function = option(function)
    return function


@click.command("usage")
@click.option("--by", "group", type=click.Choice(GROUPS), default="model", show_default=True, help="What to add up by.")
@click.option("--since", type=MOMENT, metavar="ISO", help="From this moment on.")
@click.option("--until", type=MOMENT, metavar="ISO", help="Up to this moment, which does not count.")
@click.option(
    "--timezone", default="UTC", show_default=True, metavar="TZ", help="Of the days, and of moments without an offset."
)
@_into_files
@click.option(
    "--replay", is_flag=True, help="Compute the whole ledger anew from its rows, and compare; fails if not equal."
)
@json_option
def command(
    group: str,
    since: datetime | None,
    until: datetime | None,
    timezone: str,
    csv: Path | None,
    xlsx: Path | None,
    parquet: Path | None,
    replay: bool,
    as_json: bool,
) -> None:
    """Add up what was used and what it cost."""
    if replay:
        _replay(as_json=as_json)
        return
    try:
        place = zone(timezone)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--timezone") from None
    with administration() as services:
        sums = services.usage.by(group, since=_placed(since, place), until=_placed(until, place), timezone=timezone)
    rows = [_row(group, name, one) for name, one in sums.items()]
    files = save(_table(group, sums), csv, xlsx, parquet)
    if as_json:
        print_json(rows)
    elif files:
        click.echo(f"{len(rows)} rows are in {' and '.join(map(str, files))}.")
    else:
        print_table(rows, flexible=(group,), empty="No calls in this time.")


def _replay(*, as_json: bool) -> None:
    with administration() as services:
        told = services.replay.run()
    if as_json:
        print_json(
            {
                "attempts": told.attempts,
                "booked_usd": usd(told.booked),
                "computed_usd": usd(told.computed),
                "unpriced_attempts": told.unpriced,
                "attempts_by_setting": told.by_setting,
                "differing_attempts": told.differing,
                "differing_requests": list(told.different),
            }
        )
    else:
        click.echo(
            f"{told.attempts} priced attempts: {usd(told.booked)} USD are booked, and {usd(told.computed)} USD is what "
            f"their counts and prices make. {told.unpriced} have no price."
        )
    if not told.agrees:
        raise click.ClickException(
            f"{told.differing} attempts do not add up to their cost: {', '.join(told.different)}."
        )


def _row(group: str, name: str, sums: "UsageSums") -> dict[str, Any]:
    return {group: name, **sums.shown()}


def _placed(moment: datetime | None, place: ZoneInfo) -> datetime | None:
    return moment.replace(tzinfo=place) if moment is not None and moment.tzinfo is None else moment


def _table(group: str, sums: "Mapping[str, UsageSums]") -> "Table":
    from tollhouse.domain.tables import Column, Table
    from tollhouse.services.reports.reports import SUMS, numbers_of

    rows = [(name, *numbers_of(one)) for name, one in sums.items()]
    return Table("usage", (Column(group, "text"), *SUMS), rows)
