"""Begins the work of schedules that are due."""

from tollhouse.jobs.registry import Services

KIND = "start_scheduled"
EVERY = "start_scheduled_seconds"


def run(services: Services) -> None:
    if services.schedule_runs.any_due():
        services.schedule_runs.start()
