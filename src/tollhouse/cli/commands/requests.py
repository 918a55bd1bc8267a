"""`tollhouse requests`."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, print_json, print_table
from tollhouse.cli.output import moment as iso
from tollhouse.cli.parameters import MOMENT, USD
from tollhouse.cli.text import printable
from tollhouse.domain.actor import SHELL
from tollhouse.domain.page import every

if TYPE_CHECKING:
    from tollhouse.services.requests.booked_attempts import BookedAttempt
    from tollhouse.services.requests.requests import LoggedRequest


@click.group("requests")
def command() -> None:
    """Look calls up: what they used, what they cost, how they ended."""


@command.command("list")
@click.option("--since", type=MOMENT, metavar="ISO", help="From this moment on; UTC without an offset.")
@click.option("--until", type=MOMENT, metavar="ISO", help="Up to this moment, which does not count.")
@click.option("--key", "key_id", metavar="ID", help="Of this key.")
@click.option("--team", metavar="T", help="Of this team, by id or name.")
@click.option("--user", "user_id", metavar="ID", help="Of this person.")
@click.option("--model", metavar="M", help="To this model.")
@click.option("--provider", metavar="P", help="To this provider.")
@click.option("--tag", metavar="T", help="With this tag.")
@click.option("--status", type=click.IntRange(0, 999), help="That ended with this HTTP status; 0 where none was seen.")
@click.option("--outcome", metavar="CODE", help="That ended so: ok, or the code of an error.")
@click.option("--min-cost", type=USD, metavar="USD", help="That cost so much or more.")
@click.option("--max-cost", type=USD, metavar="USD", help="That cost so much or less.")
@click.option("--text", metavar="WORDS", help="In which this was asked or answered, of teams that keep that.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="The most that are listed."
)
@json_option
def list_(
    since: datetime | None,
    until: datetime | None,
    team: str | None,
    limit: int,
    as_json: bool,
    **given: Any,
) -> None:
    """List what was booked, newest first: each attempt at a provider is a row, and so is a correction.

    What was kept of calls is sealed, so to look for a text opens one call after the other.
    """
    with administration() as services:
        team_id = services.teams.named(team).id if team else None

        def page(most: int, after: str | None) -> Any:
            return services.requests.page(
                most, after, team_id=team_id, since=_utc(since), until=_utc(until), by=SHELL, **_as_asked(given)
            )

        rows = [*islice(every(page), limit)]
    if as_json:
        print_json([_attempt(row) for row in rows])
        return
    table = [
        {
            "request": row.request_id,
            "booked": minute(row.booked_at),
            "model": row.model,
            "status": row.status,
            "outcome": row.outcome,
            "tokens": row.input_tokens + row.output_tokens,
            "cost usd": row.cost_usd,
            "ms": round(row.latency_ms),
        }
        for row in rows
    ]
    print_table(table, flexible=("model", "outcome"), empty="No calls.")


@command.command()
@click.argument("id")
@json_option
def show(id: str, as_json: bool) -> None:
    """Show one call with all that is known of it: ID is the `x-request-id` of its response, or of its error."""
    with administration() as services:
        found = services.requests.get(id, by=SHELL)
    if as_json:
        print_json(_request(found))
        return
    what = f"of {found.key_id} in {found.team_id}"
    model = printable(found.model or "refused")
    click.echo(f"{found.id}: {model}, {found.status} {found.outcome}, {what}, {_when(found)}")
    click.echo(f"{found.input_tokens} tokens in, {found.output_tokens} out, {found.cost_usd or 'no known price'} USD")
    if found.error:
        click.echo(printable(f"Its caller was told: {found.error.message}"))
    for attempt in found.attempts:
        first = "" if attempt.first_token_ms is None else f", first token after {attempt.first_token_ms:.0f} ms"
        click.echo(
            f"  {attempt.kind} {attempt.attempt} at {printable(f'{attempt.provider} ({attempt.upstream_model})')}: "
            f"{attempt.status} {attempt.outcome}, {attempt.latency_ms:.0f} ms{first}, {attempt.cost_usd or '-'} USD"
        )
        if attempt.prices:
            told = ", ".join(f"{name} {price}" for name, price in asdict(attempt.prices).items() if price is not None)
            click.echo(f"    USD per million: {told}")
    if found.payload:
        for name in ("request", "answer"):
            said = getattr(found.payload, name)
            size = getattr(found.payload, f"{name}_bytes")
            click.echo(f"{name.capitalize()}, {size} bytes:")
            click.echo("  (not kept)" if said is None else json.dumps(said, indent=2))


def _when(request: "LoggedRequest") -> str:
    return str(iso(request.started_at))


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _as_asked(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _attempt(attempt: "BookedAttempt") -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(attempt).items()}


def _request(request: "LoggedRequest") -> dict[str, Any]:
    document = {name: _plain(value) for name, value in asdict(request).items()}
    return {**document, "attempts": [_attempt(one) for one in request.attempts]}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return list(value) if isinstance(value, tuple) else value
