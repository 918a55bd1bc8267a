"""What can be said of a report on the command line."""

from collections.abc import Callable

import click

REPORTS = ("usage", "latency", "forecast", "anomalies", "chargeback")
GROUPS = ("key", "user", "team", "model", "provider", "tag", "hour", "day", "month", "end_user")
PERIODS = ("today", "yesterday", "last_7_days", "last_week", "this_month", "last_month")
REPORT_FIELDS = ("by", "period", "factor", "format", "emails", "url")
"""Of `report_options`, those that are said of a report as they are."""
FORMATS = ("csv", "xlsx", "parquet", "json")


def report_options(function: Callable[..., None]) -> Callable[..., None]:
    """What of a report a schedule sends, and where."""
    for option in reversed(
        (
            click.option("--by", multiple=True, type=click.Choice(GROUPS), help="What a report adds up by."),
            click.option("--period", type=click.Choice(PERIODS), help="Of when it is, seen from when it was due."),
            click.option("--of-team", metavar="T", help="A report of this team alone, by id or name."),
            click.option("--factor", type=float, help="Of anomalies: how many times the usual."),
            click.option("--format", type=click.Choice(FORMATS), help="Of the file that is mailed; csv without it."),
            click.option("--to", "emails", multiple=True, metavar="EMAIL", help="Who gets it by mail."),
            click.option("--url", metavar="URL", help="Where it is posted as JSON."),
        )
    ):
        function = option(function)
    return function
