"""Moves rows of the ledger to its archive once they are old enough, where that is wanted."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "archive_ledger"
EVERY = "archive_ledger_seconds"


def run(services: Services) -> None:
    if not (after := services.settings.archive_days):
        return
    if days := services.archiving.run(after):
        logs.event("days_archived", first=days[0], last=days[-1], days=len(days))
