"""What commands print: JSON alone for programs, or a table for people."""

import json
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from tollhouse.cli.text import columns, cut, printable
from tollhouse.domain.money import usd_from_nanos

GAP = "  "
LEAST_COLUMNS = 8
"""A column is not cut below this."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")


def print_json(document: Any) -> None:
    """ASCII, so that neither a terminal nor an encoding can stumble over a name."""
    click.echo(json.dumps(document, indent=2))


def print_table(rows: Sequence[Mapping[str, Any]], *, flexible: Collection[str] = (), empty: str = "") -> None:
    """One line a row, under the names of the columns; `empty` where there are no rows.

    On a terminal the `flexible` columns are cut where the lines would be too long; elsewhere nothing is.
    """
    if not rows:
        click.echo(empty)
        return
    names = list(rows[0])
    lines = [
        [name.upper().replace("_", " ") for name in names],
        *([printable(_cell(row[name])) for name in names] for row in rows),
    ]
    widths = [max(columns(line[place]) for line in lines) for place in range(len(names))]
    _shrink(widths, [names.index(name) for name in flexible])
    right = [all(isinstance(row[name], int) and not isinstance(row[name], bool) for row in rows) for name in names]
    for line in lines:
        fitted = (_fit(cell, widths[place], right=right[place]) for place, cell in enumerate(line))
        click.echo(GAP.join(fitted).rstrip())


def usd(nanos: int | None) -> str | None:
    """Money as it is shown: a decimal string of US dollars."""
    return None if nanos is None else usd_from_nanos(nanos)


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def minute(value: datetime) -> str:
    """A moment for people, in UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _fit(cell: str, width: int, *, right: bool) -> str:
    text = cut(cell, width)
    blank = " " * (width - columns(text))
    return blank + text if right else text + blank


def _shrink(widths: list[int], flexible: Sequence[int]) -> None:
    if sys.stdout is None or not sys.stdout.isatty():
        return
    over = sum(widths) + len(GAP) * (len(widths) - 1) - shutil.get_terminal_size().columns
    while over > 0 and flexible:
        widest = max(flexible, key=lambda place: widths[place])
        if widths[widest] <= LEAST_COLUMNS:
            return
        widths[widest] -= 1
        over -= 1
