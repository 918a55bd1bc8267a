"""`tollhouse webhooks`."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.cli.parameters import DURATION, MOMENT
from tollhouse.domain.actor import SHELL
from tollhouse.domain.principal import DEFAULT_TEAM

if TYPE_CHECKING:
    from tollhouse.services.webhooks.deliveries import Delivery
    from tollhouse.services.webhooks.webhooks import Webhook

SHOWN = 20
"""Deliveries that are listed where nobody says how many."""


@click.group("webhooks")
def command() -> None:
    """Say where it is told what happens, and see how that goes."""


@command.command()
@click.argument("url")
@click.option("--name", help="What it is for; else the host of the URL.")
@click.option(
    "--event", "events", multiple=True, metavar="TYPE", help="What it hears of, as batch.completed; else of everything."
)
@click.option("--team", help="The team whose it is, by name or id; else the default team.")
@click.option("--organisation", is_flag=True, help="Make it the organisation's, which hears of all teams.")
@json_option
def create(
    url: str, name: str | None, events: tuple[str, ...], team: str | None, organisation: bool, as_json: bool
) -> None:
    """Tell URL what happens. The secret that proves it is shown this once."""
    if team and organisation:
        raise click.UsageError("Give --team or --organisation.")
    with administration() as services:
        team_id = None if organisation else services.teams.named(team).id if team else DEFAULT_TEAM
        name = name or url.partition("://")[2].partition("/")[0].partition("?")[0] or url
        webhook = services.webhooks.create(name, url, events or ("*",), team_id=team_id, by=SHELL)
    _print_secret(webhook, as_json)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the webhooks, oldest first."""
    from tollhouse.domain.page import every

    with administration() as services:
        webhooks = [*every(services.webhooks.page)]
    if as_json:
        print_json([_shown(one) for one in webhooks])
        return
    rows = [
        {
            "id": one.id,
            "name": one.name,
            "of": one.team_id or "the organisation",
            "url": one.url,
            "events": " ".join(one.event_types),
            "state": "enabled" if one.enabled else f"disabled ({one.disabled_for})",
            "failures": one.failures,
        }
        for one in webhooks
    ]
    print_table(rows, flexible=("url", "events"), empty="No webhooks yet: `tollhouse webhooks create URL` makes one.")


@command.command()
@click.argument("id")
@json_option
def enable(id: str, as_json: bool) -> None:
    """Go on where it was disabled: what waits is sent now."""
    _switch(id, as_json, enabled=True)


@command.command()
@click.argument("id")
@json_option
def disable(id: str, as_json: bool) -> None:
    """Send nothing there for now. What happens meanwhile is not told later; what waits already is."""
    _switch(id, as_json, enabled=False)


@command.command()
@click.argument("id")
@click.option("--overlap", type=DURATION, default="0s", help="How long the old one signs too, as 30m, 12h or 7d.")
@json_option
def rotate(id: str, overlap: timedelta, as_json: bool) -> None:
    """Sign with a new secret, shown this once; the old one ends now, or after the overlap."""
    with administration() as services:
        _print_secret(services.webhooks.rotate(id, overlap=overlap, by=SHELL), as_json)


@command.command()
@click.argument("id")
@json_option
def remove(id: str, as_json: bool) -> None:
    """Remove a webhook with its secrets and deliveries."""
    with administration() as services:
        services.webhooks.remove(id, by=SHELL)
    if as_json:
        print_json({"id": id, "removed": True})
    else:
        click.echo(f"The webhook {id} is removed.")


@command.command()
@click.argument("id")
@click.option("--event", "event_type", metavar="TYPE", help="A made-up event of this type; else webhook.test.")
@json_option
def test(id: str, event_type: str | None, as_json: bool) -> None:
    """Send a made-up event by the way of all others."""
    with administration() as services:
        _print_queued(services.webhook_deliveries.test(id, event_type, by=SHELL), as_json)


@command.command()
@click.argument("id")
@click.option(
    "--limit", type=click.IntRange(1, 200), default=SHOWN, show_default=True, help="The most that are listed."
)
@click.option("--state", type=click.Choice(["waiting", "sending", "delivered", "failed"]), help="Those alone.")
@json_option
def deliveries(id: str, limit: int, state: str | None, as_json: bool) -> None:
    """List what was, and is to be, told to a webhook, newest first."""
    with administration() as services:
        found = services.webhook_deliveries.page(id, limit, state=state, by=SHELL).items
    if as_json:
        print_json([_delivery(one) for one in found])
        return
    rows = [
        {
            "id": one.id,
            "at": minute(one.created_at),
            "event": one.event_type,
            "state": one.state,
            "attempts": one.attempts,
            "next": one.next_attempt_at and minute(one.next_attempt_at),
            "last": one.log and (one.log[-1]["status"] or one.log[-1]["error"]),
        }
        for one in found
    ]
    print_table(rows, flexible=("last",), empty="Nothing was told there yet: `tollhouse webhooks test ID` tries it.")


@command.command()
@click.argument("id")
@click.argument("delivery", required=False)
@click.option("--failed-since", type=MOMENT, metavar="ISO", help="All that failed and happened since then.")
@json_option
def redeliver(id: str, delivery: str | None, failed_since: datetime | None, as_json: bool) -> None:
    """Attempt DELIVERY to the webhook ID again from now on, or all that failed."""
    if (delivery is None) == (failed_since is None):
        raise click.UsageError("Give DELIVERY or --failed-since.")
    with administration() as services:
        deliveries = services.webhook_deliveries
        if delivery is not None:
            _print_queued(deliveries.redeliver(id, delivery, by=SHELL), as_json)
            return
        since = failed_since or datetime.now(UTC)
        since = since if since.tzinfo else since.replace(tzinfo=UTC)
        number = 0
        while more := deliveries.redeliver_failed(id, since, by=SHELL):
            number += more
    if as_json:
        print_json({"deliveries": number})
    else:
        click.echo(f"{number} deliveries are on their way again.")


def _switch(id: str, as_json: bool, *, enabled: bool) -> None:
    with administration() as services:
        webhook = services.webhooks.change(id, {"enabled": enabled}, by=SHELL)
    if as_json:
        print_json(_shown(webhook))
    else:
        click.echo(f"The webhook {webhook.name} is {'enabled' if enabled else 'disabled'}.")


def _print_secret(webhook: "Webhook", as_json: bool) -> None:
    if as_json:
        print_json({**_shown(webhook), "signing_secret": webhook.signing_secret})
        return
    click.echo(
        f"The webhook {webhook.id} signs with this secret, which is shown this once:\n\n{webhook.signing_secret}\n"
    )
    ending = [f"…{one.hint} until {minute(one.ends_at)} UTC" for one in webhook.secrets if one.ends_at]
    if ending:
        click.echo(f"It signs as well with {', '.join(ending)}.")


def _print_queued(delivery: "Delivery", as_json: bool) -> None:
    if as_json:
        print_json(_delivery(delivery))
    else:
        click.echo(f"The delivery {delivery.id} is on its way: `tollhouse webhooks deliveries {delivery.webhook_id}`.")


def _shown(webhook: "Webhook") -> dict[str, Any]:
    return {
        "id": webhook.id,
        "team_id": webhook.team_id,
        "name": webhook.name,
        "url": webhook.url,
        "event_types": list(webhook.event_types),
        "enabled": webhook.enabled,
        "disabled_for": webhook.disabled_for,
        "disabled_at": moment(webhook.disabled_at),
        "failures": webhook.failures,
        "failing_since": moment(webhook.failing_since),
        "created_at": moment(webhook.created_at),
        "secrets": [{"hint": one.hint, "ends_at": moment(one.ends_at)} for one in webhook.secrets],
    }


def _delivery(delivery: "Delivery") -> dict[str, Any]:
    return {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "created_at": moment(delivery.created_at),
        "next_attempt_at": moment(delivery.next_attempt_at),
        "ended_at": moment(delivery.ended_at),
        "payload": dict(delivery.payload),
        "log": [dict(one) for one in delivery.log],
    }
