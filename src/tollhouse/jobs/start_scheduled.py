"""Begins the work of schedules that are due."""

from tollhouse.jobs.registry import Services

KIND = "start_scheduled"
EVERY = "start_scheduled_seconds"


def is_due(services: Services) -> bool:
    return services.schedule_runs.any_due()


def run(services: Services) -> None:
    if is_due(services):
        services.schedule_runs.start()
