"""`tollhouse audit`."""

import json
from datetime import UTC, datetime
from itertools import islice

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, minute, moment, print_json, print_table
from tollhouse.cli.parameters import MOMENT
from tollhouse.domain.actor import SHELL
from tollhouse.domain.page import every


@click.command("audit")
@click.option("--since", type=MOMENT, help="From this moment on; UTC unless it says otherwise.")
@click.option("--until", type=MOMENT, help="Up to this moment, which does not count.")
@click.option("--action", help="As keys.create, or its first part, as keys.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="The most entries.")
@json_option
def command(since: datetime | None, until: datetime | None, action: str | None, limit: int, as_json: bool) -> None:
    """List who changed what, newest first."""
    since, until = (one.replace(tzinfo=UTC) if one and one.tzinfo is None else one for one in (since, until))
    with administration() as services:
        found = every(
            lambda size, after: services.audit.page(size, after, action=action, since=since, until=until, by=SHELL)
        )
        entries = [*islice(found, limit)]
    if as_json:
        shown = [
            {
                "id": entry.id,
                "at": moment(entry.at),
                "actor_kind": entry.actor_kind,
                "actor_id": entry.actor_id,
                "actor_email": entry.actor_email,
                "address": entry.address,
                "action": entry.action,
                "subject_id": entry.subject_id,
                "team_id": entry.team_id,
                "before": entry.before,
                "after": entry.after,
            }
            for entry in entries
        ]
        print_json(shown)
        return
    rows = [
        {
            "at": minute(entry.at),
            "who": entry.actor_email or entry.actor_id,
            "from": entry.address,
            "action": entry.action,
            "what": entry.subject_id,
            "after": json.dumps(entry.after) if entry.after else None,
        }
        for entry in entries
    ]
    print_table(rows, flexible=("who", "after"), empty="Nothing was changed.")
