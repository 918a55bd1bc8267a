"""Adds up the ledger by day, so that a report of a year reads days and not calls."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "roll_up_usage"
EVERY = "roll_up_seconds"


def run(services: Services) -> None:
    days = services.roll_up.run()
    if days:
        logs.event("usage_rolled_up", first=days[0], last=days[-1], days=len(days))
